// want reference-leak "Unreleased reference"
// want kfunc-missing@5.10,6.1 "bpf_task_from_pid"
// says bpf_task_from_pid returned
// says bpf_task_release
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct task_struct { int pid; } __attribute__((preserve_access_index));
extern struct task_struct *bpf_task_from_pid(int pid) __ksym;

SEC("tp_btf/sched_process_exec")
int p(__u64 *ctx)
{
	return bpf_task_from_pid(1) ? 0 : 0;
}
char _license[] SEC("license") = "GPL";
