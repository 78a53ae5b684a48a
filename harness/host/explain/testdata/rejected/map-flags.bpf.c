// want map-flags "read from map forbidden, value_size=8 off=0 size=8"
// SPDX-License-Identifier: GPL-2.0-only

/* Programs only write to this map. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_WRONLY_PROG);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *n = bpf_map_lookup_elem(&counts, &key);

	return n && *n ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
