// want kfunc-argument "is not a scalar"
// want kfunc-missing@5.10,6.1 "bpf_task_from_pid"
// SPDX-License-Identifier: GPL-2.0-only

/* A pointer where a number is wanted. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;

SEC("tp_btf/sched_process_exec")
int program(__u64 *ctx)
{
	struct task_struct *current = (void *)ctx[0], *t = bpf_task_from_pid((long)current);
	int pid;

	if (!t)
		return 0;
	pid = t->pid;
	bpf_task_release(t);
	return pid == 1;
}

char _license[] SEC("license") = "GPL";
