// want stack-variable-offset "invalid unbounded variable-offset write to stack"
// SPDX-License-Identifier: GPL-2.0-only

/* An array on the stack is indexed by what may be anything. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter")
int program(struct bpf_raw_tracepoint_args *ctx)
{
	volatile char table[16] = {};
	__u32 i = ctx->args[1];

	table[i] = 1;
	return table[0];
}

char _license[] SEC("license") = "GPL";
