// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int p(struct xdp_md *ctx)
{
	unsigned char *d = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	int sum = 0;

	for (int i = 0; i < 64; i++) {
		if (d + 1 > end)
			break;
		sum ^= *d;
		d++;
	}
	return sum & 1;
}

char _license[] SEC("license") = "GPL";
