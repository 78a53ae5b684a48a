// want map-field "off 4 doesn't point to 'struct bpf_spin_lock' that is at 0"
// want map-field@5.10,6.1 "off 4 doesn't point to 'struct bpf_spin_lock"
// SPDX-License-Identifier: GPL-2.0-only

/* This member is no lock. */

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
	bpf_spin_lock((void *)&c->packets);
	bpf_spin_unlock((void *)&c->packets);
	return 0;
}

char _license[] SEC("license") = "GPL";
