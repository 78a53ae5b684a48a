// want too-complex "Processed 1000001 insn"
// says 1000001 instructions
// says limit is 1,000,000
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int p(struct xdp_md *ctx)
{
	unsigned char *d = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	int hits = 0;

	for (int i = 0; i < 700; i++) {
		if (d + 4 > end)
			break;
		if (d[0] == 'a' && d[1] == 'b')
			hits++;
		if (d[2] == 'c' && d[3] == 'd')
			hits += 3;
		if (hits > 1000)
			break;
		d++;
	}
	return hits & 1 ? XDP_DROP : XDP_PASS;
}
char _license[] SEC("license") = "GPL";
