// want stack-too-deep "Too large"
// SPDX-License-Identifier: GPL-2.0-only

/* Two functions have 400 bytes each, and one calls the other. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __attribute__((noinline)) int inner(int n)
{
	char buf[400];

	buf[0] = n;
	asm volatile("" ::"r"(buf) : "memory");
	return buf[0];
}

SEC("xdp")
int program(struct xdp_md *ctx)
{
	char buf[400];

	buf[0] = ctx->ingress_ifindex;
	asm volatile("" ::"r"(buf) : "memory");
	return inner(buf[0]);
}

char _license[] SEC("license") = "GPL";
