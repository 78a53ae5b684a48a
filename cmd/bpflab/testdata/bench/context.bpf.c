// SPDX-License-Identifier: GPL-2.0

// A program that takes a context of eight bytes, and goes another way if a map holds the second number.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} known SEC(".maps");

struct arguments {
	__u32 first, second;
};

volatile __u64 sum;

SEC("syscall")
int called(struct arguments *a)
{
	__u32 key = a->second;
	__u64 *value = bpf_map_lookup_elem(&known, &key);

	sum += a->first;
	if (value)
		sum += *value;
	return 0;
}
