// want too-complex "BPF program is too large"
// SPDX-License-Identifier: GPL-2.0-only

/* A loop goes round half a million times. Its body is long, because the verifier takes far longer
 * over a jump than over a step. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u64 sum = 0;

	for (int i = 0; i < 500000; i++) {
		sum += bpf_get_prandom_u32();
#pragma unroll
		for (int step = 0; step < 200; step++)
			asm volatile("%0 += 1" : "+r"(sum));
	}
	return sum ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
