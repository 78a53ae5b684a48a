//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only

/* Sends frames by being test-run with live frames: each run fills one frame from the list
 * and redirects it out of an interface. Requires at least Linux 5.18.
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define HEAD 128   /* bytes of a frame that differ from frame to frame; the rest is zero */
#define FRAMES 256 /* frames in the list, at most */
#define BATCH 64   /* frames that the kernel sends before it lets them be received */
#define STAMPS 1024

struct frame {
	__s32 tail;   /* its length less MAX_FRAME */
	__u32 unused;
	__u64 head[HEAD / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FRAMES);
	__type(key, __u32);
	__type(value, struct frame);
} frames SEC(".maps");

/* When each batch began, ns. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, STAMPS);
	__type(key, __u32);
	__type(value, __u64);
} stamps SEC(".maps");

const volatile __u32 ifindex;
const volatile __u32 count; /* frames in the list */

__u32 next; /* index in the list */
__u32 sent;

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u64 *to = (void *)(long)ctx->data;
	__u32 i = next, n = sent;
	struct frame *f;

	if (n % BATCH == 0) {
		__u32 batch = n / BATCH;
		__u64 *stamp = bpf_map_lookup_elem(&stamps, &batch);

		if (stamp)
			*stamp = bpf_ktime_get_ns();
	}
	f = bpf_map_lookup_elem(&frames, &i);
	if (!f || (void *)(to + HEAD / 8) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
#pragma unroll
	for (int w = 0; w < HEAD / 8; w++)
		to[w] = f->head[w];
	if (bpf_xdp_adjust_tail(ctx, f->tail))
		return XDP_ABORTED;
	next = i + 1 < count ? i + 1 : 0;
	sent = n + 1;
	return bpf_redirect(ifindex, 0);
}

char _license[] SEC("license") = "GPL";
