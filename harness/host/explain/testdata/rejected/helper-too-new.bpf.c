// want helper-too-new "invalid func unknown"
// want accepted@6.1,6.12,6.18,7.3
// SPDX-License-Identifier: GPL-2.0-only

/* bpf_xdp_get_buff_len came with Linux 5.18. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	return bpf_xdp_get_buff_len(ctx) > 100 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
