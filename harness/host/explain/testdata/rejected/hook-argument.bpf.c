// want hook-argument "func 'sched_process_exec' doesn't have 4-th argument"
// SPDX-License-Identifier: GPL-2.0-only

/* The tracepoint has three arguments. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_process_exec")
int program(__u64 *ctx)
{
	return ctx[3] == 1;
}

char _license[] SEC("license") = "GPL";
