// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int p(struct xdp_md *ctx)
{
	unsigned char *d = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	int odd = 0; /* two states, where a counter has one for each count */

	for (int i = 0; i < 700; i++) {
		if (d + 4 > end)
			break;
		if (d[0] == 'a' && d[1] == 'b')
			odd ^= 1;
		if (d[2] == 'c' && d[3] == 'd')
			odd ^= 1;
		d++;
	}
	return odd ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
