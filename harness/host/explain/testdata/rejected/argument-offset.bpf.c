// want argument-offset "must have zero offset when passed to release func or trusted arg to kfunc"
// want accepted@5.10
// want argument-offset@6.1 "dereference of modified alloc_mem ptr R1 off=8 disallowed"
// SPDX-License-Identifier: GPL-2.0-only

/* A record is submitted by a pointer into it. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u64 *e = bpf_ringbuf_reserve(&events, 16, 0);

	if (!e)
		return XDP_PASS;
	e[0] = e[1] = 1;
	bpf_ringbuf_submit(&e[1], 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
