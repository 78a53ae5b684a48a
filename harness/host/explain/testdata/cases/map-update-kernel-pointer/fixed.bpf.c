// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} m SEC(".maps");

SEC("raw_tp/sys_enter")
int p(struct bpf_raw_tracepoint_args *ctx)
{
	void *regs = (void *)ctx->args[0];
	__u32 k = 0;
	__u64 v;

	if (bpf_probe_read_kernel(&v, sizeof(v), regs))
		return 0;
	bpf_map_update_elem(&m, &k, &v, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "GPL";
