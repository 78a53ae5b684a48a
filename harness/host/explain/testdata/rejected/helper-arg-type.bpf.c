// want helper-arg-type "type=scalar expected=fp"
// want helper-arg-type@5.10 "type=inv expected=fp"
// SPDX-License-Identifier: GPL-2.0-only

/* The key itself is passed, not its address. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u64 key = ctx->ingress_ifindex;

	return bpf_map_lookup_elem(&counts, (void *)key) ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
