// want rodata-write "write into map forbidden, value_size=4"
// SPDX-License-Identifier: GPL-2.0-only

/* A constant is given another value. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 limit = 10;

SEC("xdp")
int program(struct xdp_md *ctx)
{
	*(volatile __u32 *)&limit = 20;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
