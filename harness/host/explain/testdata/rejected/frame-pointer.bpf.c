// want frame-pointer "frame pointer is read only"
// SPDX-License-Identifier: GPL-2.0-only

/* Assembly moves the frame pointer. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	asm volatile("r10 += -8");
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
