// want uninit-register "!read_ok"
// SPDX-License-Identifier: GPL-2.0-only

/* A register is read that nothing was written to. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct xdp_md *ctx)
{
	int action;

	asm volatile("r0 = r7; %0 = r0" : "=r"(action)::"r0");
	return action;
}

char _license[] SEC("license") = "GPL";
