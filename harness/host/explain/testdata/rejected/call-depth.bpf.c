// want call-depth "the call stack of 9 frames is too deep"
// want call-depth@7.3 "the call stack of 17 frames is too deep"
// SPDX-License-Identifier: GPL-2.0-only

/* Seventeen functions, each of which calls the next. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define CALLS(name, next)                                                      \
	static __attribute__((noinline)) int name(int n)                       \
	{                                                                      \
		volatile int m = next(n);                                      \
		return m;                                                      \
	}

static __attribute__((noinline)) int f17(int n)
{
	volatile int m = n;
	return m;
}
CALLS(f16, f17)
CALLS(f15, f16)
CALLS(f14, f15)
CALLS(f13, f14)
CALLS(f12, f13)
CALLS(f11, f12)
CALLS(f10, f11)
CALLS(f9, f10)
CALLS(f8, f9)
CALLS(f7, f8)
CALLS(f6, f7)
CALLS(f5, f6)
CALLS(f4, f5)
CALLS(f3, f4)
CALLS(f2, f3)
CALLS(f1, f2)

SEC("xdp")
int program(struct xdp_md *ctx)
{
	return f1(ctx->ingress_ifindex);
}

char _license[] SEC("license") = "GPL";
