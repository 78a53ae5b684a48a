//go:build ignore
/* (the line above keeps Go from compiling this file) */

// SPDX-License-Identifier: GPL-2.0-only

/* Lab 12.3: some of the system calls of one process, as many as one can afford.
 *
 * It loads, and it counts right. It samples every second call whatever it is told, and a
 * call that is not sampled costs almost as much as one that is. Each TODO is one place to do
 * better; README.md has the tasks.
 */

#define __TARGET_ARCH_x86 /* the grader's guests */

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

/* TODO 4: a lookup in a hash for each call, to read what is in global data already. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} settings SEC(".maps");

/* What to trace; the grader sets it. */
const volatile __u32 target_pid = 0;
const volatile __u64 target_syscall = 0;

/* How many of 65,536 calls to sample; user space changes it as the program runs. */
volatile __u32 rate = 65536;

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (void *)ctx->args[0];
	struct sample s = {};
	__u32 zero = 0, part = 32768, *setting;
	struct count *c;

	if (bpf_get_current_pid_tgid() >> 32 != target_pid || ctx->args[1] != target_syscall)
		return 0;
	c = bpf_map_lookup_elem(&counts, &zero);
	if (!c)
		return 0;
	c->seen++;

	/* TODO 4: found out for every call, and for most of them thrown away. */
	s.ts = bpf_ktime_get_ns();
	bpf_probe_read_kernel(&s.class, sizeof(s.class), &PT_REGS_PARM1_SYSCALL(regs));

	/* TODO 3: what has `rate` to do with it? */
	setting = bpf_map_lookup_elem(&settings, &zero);
	if (setting)
		part = *setting;
	/* TODO 4: a random number for each call, where one for each sample would do. */
	if ((bpf_get_prandom_u32() & 0xffff) >= part)
		return 0;

	if (!bpf_ringbuf_output(&events, &s, sizeof(s), 0))
		c->sampled++;
	return 0;
}

char _license[] SEC("license") = "GPL";
