// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
	struct task_struct *real_parent;
	int pid;
} __attribute__((preserve_access_index));

volatile __u64 seen;

SEC("tp_btf/sched_process_exec")
int p(__u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];

	for (int i = 0; i < 16 && t->pid > 1; i++)
		t = t->real_parent;
	seen = t->pid;
	return 0;
}

char _license[] SEC("license") = "GPL";
