// want negative-index "min value is negative, either use unsigned index"
// SPDX-License-Identifier: GPL-2.0-only

/* A signed index has an upper bound only. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char table[16];

SEC("raw_tp/sys_enter")
int program(struct bpf_raw_tracepoint_args *ctx)
{
	long i = (long)(ctx->args[1] & 31) - 8;

	asm volatile("" : "+r"(i)); /* clang would subtract last */
	if (i >= (long)sizeof(table))
		return 0;
	return table[i];
}

char _license[] SEC("license") = "GPL";
