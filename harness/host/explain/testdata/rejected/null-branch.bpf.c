// want null-branch "invalid mem access 'scalar'"
// want null-branch@5.10 "invalid mem access 'inv'"
// SPDX-License-Identifier: GPL-2.0-only

/* A reservation that failed is counted, and then filled in all the same. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

__u64 dropped;

SEC("xdp")
int fill(struct xdp_md *ctx)
{
	__u64 *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		__sync_fetch_and_add(&dropped, 1);
	*e = 1;
	bpf_ringbuf_submit(e, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
