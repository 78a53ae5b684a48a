// want core-field "unknown#195896080"
// want accepted@5.10
// says `task_struct.state`
// says struct task_struct of this kernel has no member state; it has __state (unsigned int)
// says bpf_core_field_exists(p->state)
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { int pid; long state; } __attribute__((preserve_access_index));
volatile __u64 seen;

SEC("tp_btf/sched_process_exec")
int p(__u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];

	seen = t->state;
	return 0;
}
char _license[] SEC("license") = "GPL";
