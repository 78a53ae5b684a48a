// want lock-offset "doesn't have constant offset. bpf_spin_lock has to be at the constant offset"
// SPDX-License-Identifier: GPL-2.0-only

/* Which of two locks is a matter of a variable. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct locked {
	struct bpf_spin_lock lock;
	__u32 packets[3];
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
	__u32 key = 0, n = skb->ifindex & 4;
	struct locked *c = bpf_map_lookup_elem(&counts, &key);

	if (!c)
		return 0;
	c = (void *)c + n;
	bpf_spin_lock(&c->lock);
	bpf_spin_unlock(&c->lock);
	return 0;
}

char _license[] SEC("license") = "GPL";
