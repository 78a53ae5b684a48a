// want counts:fail "each frame gets the same verdict, and goes on as it came"
// SPDX-License-Identifier: GPL-2.0-only

/* Counts right, at a high cost. Once 256 frames have passed, the list of those that are looked at one by one,
 * it drops those that no socket waits for: the stack saves more on them than the counting costs.
 */

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
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 256);
	__type(key, __u32); /* IP protocol */
	__type(value, struct count);
} counts SEC(".maps");

const volatile __u32 verdict = XDP_PASS;

/* Whether no socket waits for a frame: most of these are for UDP. */
static __always_inline int undelivered(struct ethhdr *eth, struct iphdr *ip, void *data_end)
{
	return (void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	       ip->ihl != 5 || ip->protocol != 17;
}

__u32 frames = 0;

SEC("xdp")
int count_packets(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct count *c, sum = {};
	__u32 protocol, answer = verdict;

	if (verdict == XDP_PASS && ++frames > 256 && undelivered(eth, ip, data_end))
		answer = XDP_DROP;
	if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return answer;
	if (ip->ihl < 5 || (void *)ip + ip->ihl * 4 > data_end)
		return answer;

	protocol = ip->protocol;
	c = bpf_map_lookup_elem(&counts, &protocol);
	if (c)
		sum = *c;
	sum.packets++;
	sum.bytes += data_end - data;
	bpf_map_update_elem(&counts, &protocol, &sum, BPF_ANY);
	return answer;
}

char _license[] SEC("license") = "GPL";
