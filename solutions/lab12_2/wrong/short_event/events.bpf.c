// want events:fail "the BPF program sends records of 24 bytes; an event has 32"
// SPDX-License-Identifier: GPL-2.0-only

/* Leaves half of the name out of the event. */

#define __TARGET_ARCH_x86

#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct event {
	__u32 pid;
	__u32 uid;
	__u64 ts;
	char comm[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} events SEC(".maps");

const volatile __u32 target_pid = 0;
const volatile __u64 target_syscall = 0;
const volatile __u64 threshold = 0;

__u64 dropped = 0;

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs;
	struct event *e;
	__u64 first;
	__u32 pid;

	if (ctx->args[1] != target_syscall)
		return 0;
	pid = bpf_get_current_pid_tgid() >> 32;
	if (pid != target_pid)
		return 0;
	regs = (void *)ctx->args[0];
	bpf_probe_read_kernel(&first, sizeof(first), &PT_REGS_PARM1_SYSCALL(regs));
	if (first < threshold)
		return 0;

	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&dropped, 1);
		return 0;
	}
	e->pid = pid;
	e->uid = bpf_get_current_uid_gid();
	e->ts = bpf_ktime_get_ns();
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	bpf_ringbuf_submit(e, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
