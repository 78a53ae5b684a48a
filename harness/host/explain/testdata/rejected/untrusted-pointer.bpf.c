// want untrusted-pointer "must be a rcu pointer"
// want kfunc-missing@5.10,6.1 "bpf_task_acquire"
// SPDX-License-Identifier: GPL-2.0-only

/* A task that another one pointed to may be gone. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
	struct task_struct *last_wakee;
} __attribute__((preserve_access_index));

extern struct task_struct *bpf_task_acquire(struct task_struct *p) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;

SEC("tp_btf/sched_process_exec")
int program(__u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];
	struct task_struct *other = bpf_task_acquire(t->last_wakee);

	if (other)
		bpf_task_release(other);
	return 0;
}

char _license[] SEC("license") = "GPL";
