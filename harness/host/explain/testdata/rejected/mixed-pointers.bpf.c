// want mixed-pointers "same insn cannot be used with different pointers"
// want accepted@6.18,7.3
// SPDX-License-Identifier: GPL-2.0-only

/* One instruction reads from the context and from a map. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("tc")
int program(struct __sk_buff *skb)
{
	__u32 key = 0;
	void *p = bpf_map_lookup_elem(&counts, &key);
	__u32 v;

	if (!p)
		p = skb;
	asm volatile("%[v] = *(u32 *)(%[p] + 0)" : [v]"=r"(v) : [p]"r"(p));
	return v;
}

char _license[] SEC("license") = "GPL";
