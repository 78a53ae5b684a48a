// want global-function "Global function counter() doesn't return"
// want global-function@7.3 "Global function counter() return value"
// SPDX-License-Identifier: GPL-2.0-only

/* A global function returns a pointer. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 packets;

__attribute__((noinline)) __u64 *counter(int n)
{
	asm volatile("" : "+r"(n));
	return n ? &packets : 0;
}

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u64 *p = counter(ctx->ingress_ifindex);

	return p ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
