// want misaligned "misaligned stack access"
// SPDX-License-Identifier: GPL-2.0-only

/* Eight bytes are read at an address that is a multiple of four. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	volatile __u32 words[4] = {};
	volatile __u64 *pair = (void *)&words[1];

	asm volatile("" : "+r"(pair)); /* clang, which would read it in two, no longer knows */
	return *pair ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
