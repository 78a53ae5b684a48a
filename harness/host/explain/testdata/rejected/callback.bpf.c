// want callback "type=ctx expected=func"
// want helper-too-new@5.10 "invalid func unknown#164"
// SPDX-License-Identifier: GPL-2.0-only

/* What is passed as a callback is no function. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("xdp")
int program(struct xdp_md *ctx)
{
	return bpf_for_each_map_elem(&counts, ctx, 0, 0) > 2 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
