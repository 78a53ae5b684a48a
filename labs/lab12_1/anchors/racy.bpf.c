//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only

/* Counts every frame in an entry that all CPUs share, without a lock or an atomic. Where
 * it loses no update, two CPUs were not at work at the same time.
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct count {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");

const volatile __u32 verdict = XDP_PASS;

SEC("xdp")
int count_packets(struct xdp_md *ctx)
{
	__u32 key = 0;
	struct count *c = bpf_map_lookup_elem(&counts, &key);

	if (c) {
		c->packets++;
		c->bytes += ctx->data_end - ctx->data;
	}
	return verdict;
}

char _license[] SEC("license") = "GPL";
