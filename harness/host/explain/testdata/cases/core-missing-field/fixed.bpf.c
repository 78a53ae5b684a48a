// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>

struct task_struct {
	int pid;
	unsigned int __state;
} __attribute__((preserve_access_index));

/* As it was before Linux 5.14. */
struct task_struct___old {
	long state;
} __attribute__((preserve_access_index));

volatile __u64 seen;

SEC("tp_btf/sched_process_exec")
int p(__u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];

	if (bpf_core_field_exists(t->__state))
		seen = t->__state;
	else
		seen = ((struct task_struct___old *)t)->state;
	return 0;
}

char _license[] SEC("license") = "GPL";
