// want prealloc "perf_event programs can only use preallocated hash map"
// want accepted@6.1,6.12,6.18,7.3
// SPDX-License-Identifier: GPL-2.0-only

/* A program that runs in interrupts cannot wait for memory. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("perf_event")
int program(void *ctx)
{
	__u32 key = 0;
	__u64 one = 1;

	bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "GPL";
