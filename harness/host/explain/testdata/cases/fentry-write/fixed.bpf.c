// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct {
	int prio;
} __attribute__((preserve_access_index));

volatile int seen;

SEC("tp_btf/sched_process_exec")
int p(__u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];

	seen = t->prio;
	return 0;
}

char _license[] SEC("license") = "GPL";
