//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only

/* Does nothing: what is left is what any program costs here. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 target_pid = 0;
const volatile __u64 target_syscall = 0;
volatile __u32 rate = 65536;

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	return rate > 65536;
}

char _license[] SEC("license") = "GPL";
