// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int p(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 off, sum = 0;

	if (data + 18 > end)
		return XDP_PASS;
	off = *(__u32 *)(data + 14);
	if (off > 1500)
		return XDP_PASS;
	if (data + 18 + off + 2 > end)
		return XDP_PASS;
	sum += *(__u16 *)(data + 18 + off);
	return sum & 1;
}

char _license[] SEC("license") = "GPL";
