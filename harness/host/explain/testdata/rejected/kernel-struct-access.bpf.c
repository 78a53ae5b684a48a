// want kernel-struct-access "access beyond struct task_struct at off 1048576 size 1"
// SPDX-License-Identifier: GPL-2.0-only

/* The struct is not that large. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_process_exec")
int program(__u64 *ctx)
{
	char *task = (void *)ctx[0];

	return task[1 << 20];
}

char _license[] SEC("license") = "GPL";
