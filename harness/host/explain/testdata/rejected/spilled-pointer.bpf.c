// want spilled-pointer "invalid size of register fill"
// SPDX-License-Identifier: GPL-2.0-only

/* Half of a pointer is read back from the stack. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u32 half;

	asm volatile("*(u64 *)(r10 - 8) = %[ctx]; %[half] = *(u32 *)(r10 - 8)" : [half]"=r"(half) : [ctx]"r"(ctx));
	return half ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
