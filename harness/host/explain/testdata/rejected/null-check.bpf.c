// want null-check "invalid mem access 'map_value_or_null'"
// SPDX-License-Identifier: GPL-2.0-only

/* A look-up may find nothing. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u32 key = 1;
	__u64 *packets = bpf_map_lookup_elem(&counts, &key);

	*packets += 1;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
