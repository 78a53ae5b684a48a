//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only

/* Counts in an entry that the CPUs share, as if it were alone: two CPUs lose some. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[4]);
} counts SEC(".maps");

const volatile __u32 target_pid = 0;
const volatile __u64 target_syscall = 0;
volatile __u32 rate = 65536;

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 zero = 0;
	volatile __u64 *c;

	if (ctx->args[1] != target_syscall || bpf_get_current_pid_tgid() >> 32 != target_pid)
		return rate > 65536;
	c = bpf_map_lookup_elem(&counts, &zero);
	if (c)
		c[0] += 1;
	return 0;
}

char _license[] SEC("license") = "GPL";
