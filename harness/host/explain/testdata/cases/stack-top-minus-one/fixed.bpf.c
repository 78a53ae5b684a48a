// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct st {
	__u64 top;
	__u64 slot[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct st);
} m SEC(".maps");

SEC("raw_tp/sys_enter")
int p(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 k = 0;
	struct st *s = bpf_map_lookup_elem(&m, &k);
	__u64 i;

	if (!s)
		return 0;
	i = s->top - 1;
	if (i >= 2)
		return 0;
	if (s->slot[i] == ctx->args[1])
		s->top--;
	return 0;
}

char _license[] SEC("license") = "GPL";
