// want stack-bounds "invalid write to stack"
// SPDX-License-Identifier: GPL-2.0-only

/* An array on the stack is written beyond its end. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	asm volatile("*(u64 *)(r10 - 520) = r10" ::: "memory");
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
