// want atomic-fetch "BPF_STX uses reserved fields"
// want accepted@6.1,6.12,6.18,7.3
// says 5.12
// says compare-and-exchange
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } m SEC(".maps");

SEC("tc")
int p(struct __sk_buff *skb)
{
	__u32 k = 0;
	__u64 *v = bpf_map_lookup_elem(&m, &k);

	return v ? __sync_val_compare_and_swap(v, 0, 1) : 0;
}
char _license[] SEC("license") = "GPL";
