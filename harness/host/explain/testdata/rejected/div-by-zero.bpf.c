// want div-by-zero "div by zero"
// SPDX-License-Identifier: GPL-2.0-only

/* A division by a zero that stands in the code. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u64 n = ctx->ingress_ifindex;

	asm volatile("%0 /= 0" : "+r"(n));
	return n;
}

char _license[] SEC("license") = "GPL";
