//go:build ignore
/* (the line above keeps Go from compiling this file) */

// SPDX-License-Identifier: GPL-2.0-only

/* Lab 12.2: the system calls of one process as events.
 *
 * It loads, and every event that it should send arrives. It is also slow, it wakes the
 * reader for each event, and on two CPUs it miscounts what it could not send. Each TODO is
 * one place to do better; README.md has the tasks.
 */

#define __TARGET_ARCH_x86 /* the grader's guests */

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct event {
	__u32 pid; /* of the process, as user space calls it */
	__u32 uid;
	__u64 ts;  /* ns, bpf_ktime_get_ns */
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024); /* bytes */
} events SEC(".maps");

/* What to trace; the grader sets it. */
const volatile __u32 target_pid = 0;
const volatile __u64 target_syscall = 0;
const volatile __u64 threshold = 0;

/* Events that should have been sent and were not. */
__u64 dropped = 0;

/* What is known of a system call. */
struct call {
	__u32 pid, uid;
	__u64 ts;
	char comm[16];
	__u64 number, first;
};

static __always_inline void look(struct bpf_raw_tracepoint_args *ctx, struct call *c)
{
	struct pt_regs *regs = (void *)ctx->args[0];

	/* TODO 5: all of this is found out for every call of every process. */
	c->pid = bpf_get_current_pid_tgid() >> 32;
	c->uid = bpf_get_current_uid_gid();
	c->ts = bpf_ktime_get_ns();
	bpf_get_current_comm(c->comm, sizeof(c->comm));
	c->number = ctx->args[1];
	bpf_probe_read_kernel(&c->first, sizeof(c->first), &PT_REGS_PARM1_SYSCALL(regs));
}

static __always_inline bool interesting(const struct call *c)
{
	return c->pid == target_pid && c->number == target_syscall && c->first >= threshold;
}

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	struct call c = {};
	struct event e = {};

	look(ctx, &c);
	if (!interesting(&c))
		return 0;

	/* TODO 4: made on the stack, then copied. Could it be made where it is going? */
	e.pid = c.pid;
	e.uid = c.uid;
	e.ts = c.ts;
	__builtin_memcpy(e.comm, c.comm, sizeof(e.comm));

	/* TODO 6: who asked to be woken for each event? */
	if (bpf_ringbuf_output(&events, &e, sizeof(e), BPF_RB_FORCE_WAKEUP))
		dropped++; /* TODO 3: the other CPU does the same, at the same time. */
	return 0;
}

char _license[] SEC("license") = "GPL";
