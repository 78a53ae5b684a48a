// want map-value-bounds "invalid access to map value, value_size=128"
// SPDX-License-Identifier: GPL-2.0-only

/* The bound is one too high. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

long table[16];

SEC("raw_tp/sys_enter")
int program(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 i = ctx->args[1];

	if (i > 16)
		return 0;
	table[i] += 1;
	return 0;
}

char _license[] SEC("license") = "GPL";
