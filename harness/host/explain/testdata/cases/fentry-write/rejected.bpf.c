// want kernel-write "only read is supported"
// says struct task_struct
// says 4 bytes
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { int prio; } __attribute__((preserve_access_index));

SEC("tp_btf/sched_process_exec")
int p(__u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];

	t->prio = 100;
	return 0;
}
char _license[] SEC("license") = "GPL";
