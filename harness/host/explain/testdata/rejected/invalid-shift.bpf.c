// want invalid-shift "invalid shift 64"
// SPDX-License-Identifier: GPL-2.0-only

/* A shift by all 64 bits. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u64 n = ctx->ingress_ifindex;

	asm volatile("%0 <<= 64" : "+r"(n));
	return n;
}

char _license[] SEC("license") = "GPL";
