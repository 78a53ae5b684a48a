// want no-exit "last insn is not an exit or jmp"
// SPDX-License-Identifier: GPL-2.0-only

/* A function that ends without a return. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
__attribute__((naked)) int program(void)
{
	asm volatile("r0 = 2");
}

char _license[] SEC("license") = "GPL";
