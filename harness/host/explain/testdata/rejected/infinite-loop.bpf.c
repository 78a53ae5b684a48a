// want infinite-loop "infinite loop detected"
// SPDX-License-Identifier: GPL-2.0-only

/* Nothing that the condition depends on changes. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u32 n = ctx->ingress_ifindex;

	while (n)
		asm volatile("");
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
