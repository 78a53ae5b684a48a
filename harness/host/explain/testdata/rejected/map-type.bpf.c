// want map-type "cannot pass map_type 2 into func bpf_ringbuf_output"
// SPDX-License-Identifier: GPL-2.0-only

/* An array is no ring buffer. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("raw_tp/sys_enter")
int program(void *ctx)
{
	__u64 event = 1;

	return bpf_ringbuf_output(&counts, &event, sizeof(event), 0);
}

char _license[] SEC("license") = "GPL";
