// want map-refused "map events refused"
// SPDX-License-Identifier: GPL-2.0-only

/* A ring buffer has a power of two of bytes. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 3 * 4096);
} events SEC(".maps");

SEC("raw_tp/sys_enter")
int program(void *ctx)
{
	__u64 event = 1;

	return bpf_ringbuf_output(&events, &event, sizeof(event), 0);
}

char _license[] SEC("license") = "GPL";
