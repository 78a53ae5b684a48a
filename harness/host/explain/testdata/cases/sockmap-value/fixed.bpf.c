// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} m SEC(".maps");

SEC("sockops")
int p(struct bpf_sock_ops *ctx)
{
	__u32 k = 0;

	if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		bpf_sock_map_update(ctx, &m, &k, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "GPL";
