// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct v {
	__u32 a[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct v);
} m SEC(".maps");

SEC("raw_tp/sys_enter")
int p(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 k = 0;
	__u32 i = ctx->args[1];
	struct v *v = bpf_map_lookup_elem(&m, &k);

	if (!v)
		return 0;
	if (i >= 16)
		return 0;
	v->a[i]++;
	return 0;
}

char _license[] SEC("license") = "GPL";
