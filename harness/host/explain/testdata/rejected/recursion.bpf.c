// want recursion "back-edge from insn"
// want call-depth@6.12,6.18 "the call stack of 8 frames is too deep"
// want recursion@7.3 "recursive call from sum() to sum()"
// SPDX-License-Identifier: GPL-2.0-only

/* A function calls itself. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __attribute__((noinline)) int sum(int n)
{
	volatile int m = n;

	if (n > 0)
		m += sum(n - 1);
	return m;
}

SEC("xdp")
int program(struct xdp_md *ctx)
{
	return sum(4);
}

char _license[] SEC("license") = "GPL";
