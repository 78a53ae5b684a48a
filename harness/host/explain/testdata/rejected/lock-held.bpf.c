// want lock-held "bpf_spin_unlock is missing"
// want lock-held@6.18,7.3 "BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region"
// SPDX-License-Identifier: GPL-2.0-only

/* An early return forgets the lock. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct locked {
	struct bpf_spin_lock lock;
	__u32 packets;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct locked);
} counts SEC(".maps");

SEC("tc")
int program(struct __sk_buff *skb)
{
	__u32 key = 0;
	struct locked *c = bpf_map_lookup_elem(&counts, &key);

	if (!c)
		return 0;
	bpf_spin_lock(&c->lock);
	if (c->packets > 1000)
		return 0;
	c->packets++;
	bpf_spin_unlock(&c->lock);
	return 0;
}

char _license[] SEC("license") = "GPL";
