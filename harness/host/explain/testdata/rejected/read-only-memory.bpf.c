// want read-only-memory "write to change key R2 not allowed"
// want callback-too-new@5.10 "number of funcs in func_info doesn't match number of subprogs"
// SPDX-License-Identifier: GPL-2.0-only

/* A callback gets the key to read it. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static long each(void *map, __u32 *key, __u64 *value, void *ctx)
{
	*key = 0;
	return 0;
}

SEC("xdp")
int program(struct xdp_md *ctx)
{
	bpf_for_each_map_elem(&counts, each, 0, 0);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
