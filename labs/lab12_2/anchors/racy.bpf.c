//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only

/* Drops every event, and counts that as if it were alone: two CPUs lose some of the count. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 target_pid = 0;
const volatile __u64 target_syscall = 0;
const volatile __u64 threshold = 0;

__u64 dropped = 0;

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[1] == target_syscall && bpf_get_current_pid_tgid() >> 32 == target_pid)
		*(volatile __u64 *)&dropped += 1;
	return 0;
}

char _license[] SEC("license") = "GPL";
