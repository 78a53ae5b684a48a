// want helper-not-allowed "bpf_skb_load_bytes"
// says bpf_skb_load_bytes
// says data_end
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int p(struct xdp_md *ctx)
{
	char b[14];

	bpf_skb_load_bytes(ctx, 0, b, sizeof(b));
	return b[3] ? XDP_DROP : XDP_PASS;
}
char _license[] SEC("license") = "GPL";
