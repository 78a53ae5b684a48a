// want atomic-pointer "BPF_ATOMIC stores into R1 pkt is not allowed"
// want atomic-pointer@5.10 "BPF_XADD stores into R1 pkt is not allowed"
// SPDX-License-Identifier: GPL-2.0-only

/* A packet is not changed atomically. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 *n = data;

	if (data + sizeof(*n) > end)
		return XDP_PASS;
	__sync_fetch_and_add(n, 1);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
