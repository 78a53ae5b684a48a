// want packet-bounds "invalid access to packet"
// says `while (d < end) {`
// says does not count
// says p + 1 > data_end
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int p(struct xdp_md *ctx)
{
	unsigned char *d = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	int sum = 0;

	while (d < end) {
		sum ^= *d;
		d++;
	}
	return sum & 1;
}

char _license[] SEC("license") = "GPL";
