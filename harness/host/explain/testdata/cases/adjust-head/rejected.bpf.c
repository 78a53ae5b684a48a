// want scalar-deref "invalid mem access"
// says a pointer into the packet until `if (bpf_xdp_adjust_head(ctx, 4))`
// says load `data` and `data_end` from the context again
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int p(struct xdp_md *ctx)
{
	unsigned char *d = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (d + 14 > end)
		return XDP_PASS;
	if (bpf_xdp_adjust_head(ctx, 4))
		return XDP_PASS;
	return d[3] ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
