// want helper-arg-type "R3 type="
// says argument 3 of bpf_map_update_elem, `regs`
// says is a number
// says bpf_probe_read_kernel
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, __u32); __type(value, __u64); } m SEC(".maps");

SEC("raw_tp/sys_enter")
int p(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 k = 0;
	void *regs = (void *)ctx->args[0];

	bpf_map_update_elem(&m, &k, regs, BPF_ANY);
	return 0;
}
char _license[] SEC("license") = "GPL";
