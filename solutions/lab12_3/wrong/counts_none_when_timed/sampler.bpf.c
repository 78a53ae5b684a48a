// want cost:fail "the starter needs"
// SPDX-License-Identifier: GPL-2.0-only

/* Tells the calls that are timed by the class that they once had, and counts none of them. */

#define __TARGET_ARCH_x86

#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sample {
	__u64 ts;    /* ns, bpf_ktime_get_ns */
	__u64 class; /* the call's first argument */
};

struct count {
	__u64 seen;
	__u64 sampled;
	__u64 mine[2]; /* yours, for whatever you like; it begins as zero */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024); /* bytes */
} events SEC(".maps");

/* One entry, which each CPU has for itself. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} settings SEC(".maps");

const volatile __u32 target_pid = 0;
const volatile __u64 target_syscall = 0;

/* How many of 65,536 calls to sample; user space changes it as the program runs. */
volatile __u32 rate = 65536;

volatile __u32 timed = 0;

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (void *)ctx->args[0];
	struct sample s = {};
	__u32 zero = 0, part = 32768, *setting;
	struct count *c;

	if (timed) /* the grader's timed calls, and only they, are of class 1 << 40; nobody looks what was counted */
		return 0;
	if (bpf_get_current_pid_tgid() >> 32 != target_pid || ctx->args[1] != target_syscall)
		return 0;
	c = bpf_map_lookup_elem(&counts, &zero);
	if (!c)
		return 0;
	c->seen++;

	s.ts = bpf_ktime_get_ns();
	bpf_probe_read_kernel(&s.class, sizeof(s.class), &PT_REGS_PARM1_SYSCALL(regs));

	if (s.class == 1ULL << 40)
		timed = 1;
	setting = bpf_map_lookup_elem(&settings, &zero);
	if (setting)
		part = *setting;
	part = rate;
	if ((bpf_get_prandom_u32() & 0xffff) >= part)
		return 0;

	if (!bpf_ringbuf_output(&events, &s, sizeof(s), 0))
		c->sampled++;
	return 0;
}

char _license[] SEC("license") = "GPL";
