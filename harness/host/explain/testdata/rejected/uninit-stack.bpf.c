// want uninit-stack "invalid read from stack"
// want accepted@6.1,6.12,6.18,7.3
// SPDX-License-Identifier: GPL-2.0-only

/* One element of an array is written, and another is read. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	volatile __u64 seen[4];

	seen[0] = 1;
	return seen[3] ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
