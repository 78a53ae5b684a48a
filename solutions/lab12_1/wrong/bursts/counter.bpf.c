// want counts:fail@6.1,6.12,6.18,7.3 "should have been"
// SPDX-License-Identifier: GPL-2.0-only

/* Every fourth batch of 64 is only noted down. The others do its work beside their own, so that some batches
 * are as cheap as can be.
 */

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct count {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 256);
	__type(key, __u32); /* IP protocol */
	__type(value, struct count);
} counts SEC(".maps");

const volatile __u32 verdict = XDP_PASS;

/* What parsing found. */
struct packet {
	bool ipv4;
	__u32 protocol;
	__u32 source, destination; /* addresses */
	__u32 ports;
	__u64 bytes;
	__u64 seen; /* when, ns */
};

static __always_inline void parse(struct xdp_md *ctx, struct packet *p)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	__u32 *ports;

	p->seen = bpf_ktime_get_ns();
	p->bytes = data_end - data;

		if ((void *)(ip + 1) > data_end)
		return;
	p->protocol = ip->protocol;
	p->source = bpf_ntohl(ip->saddr);
	p->destination = bpf_ntohl(ip->daddr);

	if (ip->ihl < 5 || (void *)ip + ip->ihl * 4 > data_end)
		return;
	ports = (void *)ip + ip->ihl * 4;
	if ((p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP) &&
	    (void *)(ports + 1) <= data_end)
		p->ports = bpf_ntohl(*ports);

	p->ipv4 = eth->h_proto == bpf_htons(ETH_P_IP);
}

__u32 n = 0, head = 0, tail = 0;
__u32 noted[128] = {}; /* protocol << 16 | length */

static __always_inline void count_one(__u32 protocol, __u64 bytes)
{
	struct count fresh = {}, *old;

	old = bpf_map_lookup_elem(&counts, &protocol);
	if (old)
		fresh.packets = old->packets;
	old = bpf_map_lookup_elem(&counts, &protocol);
	if (old)
		fresh.bytes = old->bytes;
	fresh.packets += 1;
	fresh.bytes += bytes;
	bpf_map_update_elem(&counts, &protocol, &fresh, BPF_ANY);
}

SEC("xdp")
int count_packets(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct packet p = {};

	if (verdict != XDP_TX && ctx->ingress_ifindex != 1) {
		__u32 b = n++ >> 6;

		if ((b & 3) == 1 || b == 2) {
			if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
				return verdict;
			if (ip->ihl < 5 || (void *)ip + ip->ihl * 4 > data_end)
				return verdict;
			noted[tail++ & 127] = ip->protocol << 16 | (data_end - data);
			return verdict;
		}
		if (head != tail) {
			__u32 one = noted[head++ & 127];
			count_one(one >> 16, one & 0xffff);
		}
	}
	parse(ctx, &p);
	if (p.ipv4)
		count_one(p.protocol, p.bytes);
	return verdict;
}

char _license[] SEC("license") = "GPL";
