// want length-unbounded "unbounded memory access"
// says argument 2 of bpf_probe_read_kernel, `n`
// says 0 to 4294967295
// says 0 to 256
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct buf { char b[256]; };
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct buf); } scratch SEC(".maps");

SEC("raw_tp/sys_enter")
int p(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 k = 0, n = ctx->args[1];
	struct buf *s = bpf_map_lookup_elem(&scratch, &k);

	if (!s)
		return 0;
	bpf_probe_read_kernel(s->b, n, (void *)ctx->args[0]);
	return 0;
}
char _license[] SEC("license") = "GPL";
