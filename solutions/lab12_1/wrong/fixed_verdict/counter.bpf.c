// want counts:fail "got XDP_PASS; `verdict` was"
// SPDX-License-Identifier: GPL-2.0-only

/* Passes on what is not IPv4, whatever it was told to return. */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct count {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32); /* IP protocol */
	__type(value, struct count);
} counts SEC(".maps");

const volatile __u32 verdict = XDP_PASS;

SEC("xdp")
int count_packets(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct count *c;
	__u32 protocol;

	if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if (ip->ihl < 5 || (void *)ip + ip->ihl * 4 > data_end)
		return verdict;

	protocol = ip->protocol;
	c = bpf_map_lookup_elem(&counts, &protocol);
	if (c) {
		c->packets++;
		c->bytes += data_end - data;
	}
	return verdict;
}

char _license[] SEC("license") = "GPL";
