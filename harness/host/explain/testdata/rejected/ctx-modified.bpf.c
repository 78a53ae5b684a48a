// want ctx-modified "dereference of modified ctx ptr R1 off=12 disallowed"
// SPDX-License-Identifier: GPL-2.0-only

/* The context is moved before a field is read. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u32 *field = (void *)ctx;

	asm volatile("%0 += 12" : "+r"(field));
	return *field ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
