//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only

/* Lab 12.2, solved: the cheapest question first, an event made in the ring itself, and a
 * wake-up only for a reader that sleeps. NOTES.md says what each change was worth.
 */

#define __TARGET_ARCH_x86

#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct event {
	__u32 pid;
	__u32 uid;
	__u64 ts;
	char comm[16];
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

	/* One comparison of what is at hand: most system calls end here. */
	if (ctx->args[1] != target_syscall)
		return 0;
	pid = bpf_get_current_pid_tgid() >> 32;
	if (pid != target_pid)
		return 0;
	/* The registers are the kernel's, and only a helper may read them: the most expensive question. */
	regs = (void *)ctx->args[0];
	bpf_probe_read_kernel(&first, sizeof(first), &PT_REGS_PARM1_SYSCALL(regs));
	if (first < threshold)
		return 0;

	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&dropped, 1); /* rare, and on all CPUs at once */
		return 0;
	}
	e->pid = pid;
	e->uid = bpf_get_current_uid_gid();
	e->ts = bpf_ktime_get_ns();
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	/* Flag 0: the kernel wakes a reader that has read all before this event. One that
	 * always has some left to read is never woken.
	 */
	bpf_ringbuf_submit(e, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
