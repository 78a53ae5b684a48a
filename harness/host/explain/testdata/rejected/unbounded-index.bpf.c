// want unbounded-index "unbounded memory access, make sure"
// SPDX-License-Identifier: GPL-2.0-only

/* An index is not checked against the size of its table. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

long table[16];

SEC("raw_tp/sys_enter")
int program(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 i = ctx->args[1];

	table[i] += 1;
	return 0;
}

char _license[] SEC("license") = "GPL";
