// want callback-too-new "number of funcs in func_info doesn't match number of subprogs"
// want accepted@6.1,6.12,6.18,7.3
// SPDX-License-Identifier: GPL-2.0-only

/* bpf_loop came with Linux 5.17, and callbacks with 5.13. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static int step(__u32 i, void *sum)
{
	*(__u64 *)sum += i;
	return 0;
}

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u64 sum = 0;

	bpf_loop(10, step, &sum, 0);
	return sum ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
