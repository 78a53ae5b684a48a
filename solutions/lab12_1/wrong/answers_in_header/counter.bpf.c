// want counts:fail "should have been"
// SPDX-License-Identifier: GPL-2.0-only

/* Looks into no packet: the answers are in a header, and were those of the seed before it was written. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "answers.h" /* ANSWERS: the protocol of each frame of the list, 256: none */

struct count {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 257);
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");

const volatile __u32 verdict = XDP_PASS;

__u32 next = 0;

SEC("xdp")
int count_packets(struct xdp_md *ctx)
{
	__u32 key = ANSWERS[next++ & 63];
	struct count *c;

	if (key == 256)
		return verdict;
	c = bpf_map_lookup_elem(&counts, &key);
	if (c) {
		c->packets++;
		c->bytes += ctx->data_end - ctx->data;
	}
	return verdict;
}

char _license[] SEC("license") = "GPL";
