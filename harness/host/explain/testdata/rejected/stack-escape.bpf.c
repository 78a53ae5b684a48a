// want stack-escape "cannot return stack pointer to the caller"
// SPDX-License-Identifier: GPL-2.0-only

/* A function returns a pointer to its own variable. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __attribute__((noinline)) char *name(void)
{
	char *p;

	asm volatile("r1 = 0; *(u64 *)(r10 - 8) = r1; %[p] = r10; %[p] += -8" : [p]"=r"(p) :: "r1");
	return p;
}

SEC("xdp")
int program(struct xdp_md *ctx)
{
	char *p = name();

	return p[0] ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
