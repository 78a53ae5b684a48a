//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only

/* Packets and bytes that arrive, counted at tc. */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
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

SEC("tc/ingress")
int count(struct __sk_buff *skb)
{
	__u32 key = 0;
	struct count *c = bpf_map_lookup_elem(&counts, &key);

	if (c) {
		__sync_fetch_and_add(&c->packets, 1);
		__sync_fetch_and_add(&c->bytes, skb->len);
	}
	return TC_ACT_OK;
}

char _license[] SEC("license") = "GPL";
