// want counts:fail "got XDP_DROP; `verdict` was"
// SPDX-License-Identifier: GPL-2.0-only

/* Drops every frame, whatever it is told. */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct count {
	__u64 packets;
	__u64 bytes;
};

/* An entry for each CPU: no lock, no atomic, no cache line that travels. An array: finding
 * the entry is a multiplication, and it is always there.
 */
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

	/* The cheapest question first, and nothing read that no one asks for. One check
	 * covers both headers: a frame too short for them is not counted anyway.
	 */
	if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_DROP;
	if (ip->ihl < 5 || (void *)ip + ip->ihl * 4 > data_end)
		return XDP_DROP;

	protocol = ip->protocol;
	c = bpf_map_lookup_elem(&counts, &protocol);
	if (c) { /* always; but the verifier cannot know, and asks */
		c->packets++; /* XDP runs in softirq: nothing on this CPU comes between */
		c->bytes += data_end - data;
	}
	return verdict ? XDP_DROP : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
