// want helper-too-new@5.10 "unknown#197"
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} m SEC(".maps");

SEC("raw_tp/sys_enter")
int p(struct bpf_raw_tracepoint_args *ctx)
{
	struct bpf_dynptr d;
	__u32 k = 0;
	__u64 v = 0, *value = bpf_map_lookup_elem(&m, &k);

	if (!value || bpf_dynptr_from_mem(value, sizeof(*value), 0, &d))
		return 0;
	bpf_dynptr_read(&v, sizeof(v), &d, 0, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
