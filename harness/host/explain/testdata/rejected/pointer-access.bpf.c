// want pointer-access "invalid mem access 'pkt_end"
// SPDX-License-Identifier: GPL-2.0-only

/* data_end is only compared with. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	char *end = (void *)(long)ctx->data_end;

	return *end ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
