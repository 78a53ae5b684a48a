// want ld-abs "BPF_LD_[ABS|IND] instructions not allowed for this program type"
// SPDX-License-Identifier: GPL-2.0-only

/* The old packet loads are for socket buffers. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	int v;

	asm volatile("r6 = %[ctx]; r0 = *(u8 *)skb[23]; %[v] = r0" : [v]"=r"(v) : [ctx]"r"(ctx) : "r0", "r6");
	return v;
}

char _license[] SEC("license") = "GPL";
