// want special-field "bpf_spin_lock cannot be accessed directly by load/store"
// SPDX-License-Identifier: GPL-2.0-only

/* A lock is set to zero like a number. */

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

	if (c)
		*(volatile __u32 *)&c->lock = 0;
	return 0;
}

char _license[] SEC("license") = "GPL";
