// want unreachable "unreachable insn"
// SPDX-License-Identifier: GPL-2.0-only

/* An instruction is jumped over, and nothing else leads to it. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	asm volatile("goto +1\n"
		     "r0 = 0");
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
