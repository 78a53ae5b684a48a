// want pointer-offset "math between map_value pointer and register with unbounded min value is not allowed"
// SPDX-License-Identifier: GPL-2.0-only

/* A number of 64 bits that may be anything is added to a pointer. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char table[16];

SEC("raw_tp/sys_enter")
int program(struct bpf_raw_tracepoint_args *ctx)
{
	long i = ctx->args[1];

	return table[i];
}

char _license[] SEC("license") = "GPL";
