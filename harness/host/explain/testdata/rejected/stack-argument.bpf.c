// want stack-argument "invalid indirect access to stack"
// want stack-argument@6.18,7.3 "invalid read from stack"
// SPDX-License-Identifier: GPL-2.0-only

/* A key of four bytes is passed where the map has one of eight. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u64);
	__type(value, __u64);
} counts SEC(".maps");

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u32 key = 1;

	return bpf_map_lookup_elem(&counts, &key) ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
