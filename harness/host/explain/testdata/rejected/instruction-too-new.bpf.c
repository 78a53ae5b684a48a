// want instruction-too-new "unknown opcode f4"
// SPDX-License-Identifier: GPL-2.0-only

/* No kernel knows this instruction, which an assembler did not write. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	asm volatile("r0 = 2; .8byte 0xf4; exit");
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
