// want length-unbounded "unbounded memory access"
// says `if (n > 256)`
// says is signed
// says unsigned
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct buf { char b[256]; };
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct buf); } scratch SEC(".maps");

SEC("raw_tp/sys_enter")
int p(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 k = 0;
	int n = ctx->args[1];
	struct buf *s = bpf_map_lookup_elem(&scratch, &k);

	if (!s)
		return 0;
	if (n > 256)
		n = 256;
	bpf_probe_read_kernel(s->b, n, (void *)ctx->args[0]);
	return 0;
}
char _license[] SEC("license") = "GPL";
