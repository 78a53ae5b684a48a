// want ctx-write "invalid bpf_context access"
// SPDX-License-Identifier: GPL-2.0-only

/* The end of the packet is moved by hand. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	ctx->data_end = ctx->data;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
