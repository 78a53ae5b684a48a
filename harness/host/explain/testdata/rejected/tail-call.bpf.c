// want tail-call "tail_call is only allowed in functions that return 'int'."
// SPDX-License-Identifier: GPL-2.0-only

/* A function that makes a tail call returns int. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

static __attribute__((noinline)) void jump(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &next, 0);
}

SEC("xdp")
int program(struct xdp_md *ctx)
{
	jump(ctx);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
