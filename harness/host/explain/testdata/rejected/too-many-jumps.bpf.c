// want too-many-jumps "the verifier gave up"
// want too-many-jumps@6.12,7.3 "jumps is too complex"
// SPDX-License-Identifier: GPL-2.0-only

/* Nine thousand conditions, one after the other. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u64 n = bpf_get_prandom_u32();

	asm volatile(".rept 9000\n"
		     "if %0 == 1 goto +0\n"
		     ".endr" ::"r"(n));
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
