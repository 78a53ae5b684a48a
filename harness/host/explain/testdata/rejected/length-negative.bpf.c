// want length-negative "min value is negative, either use unsigned or"
// SPDX-License-Identifier: GPL-2.0-only

/* A signed length has an upper bound only. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("raw_tp/sys_enter")
int program(struct bpf_raw_tracepoint_args *ctx)
{
	char buf[64];
	long len = ctx->args[1];

	if (len > (long)sizeof(buf))
		return 0;
	return bpf_probe_read_kernel(buf, len, (void *)ctx->args[0]);
}

char _license[] SEC("license") = "GPL";
