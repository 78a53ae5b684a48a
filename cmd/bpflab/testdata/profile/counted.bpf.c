// SPDX-License-Identifier: GPL-2.0

// Programs of which it is plain how often each line runs, on four frames of which three have 60 bytes. The test reads it
// from comments: a line runs N times a run.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} lengths SEC(".maps");

volatile __u64 sum;

SEC("xdp")
int loops(struct xdp_md *ctx)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < 10; i++) {
		sum += i; // runs 10
#pragma clang loop unroll(disable)
		for (int k = 0; k < 3; k++)
			sum ^= k; // runs 30
	}
	return XDP_PASS; // runs 1
}

SEC("xdp")
int branches(struct xdp_md *ctx)
{
	__u32 length = ctx->data_end - ctx->data;
	__u64 one = 1; // runs 1

	if (length > 60) {
		sum += length; // runs 0.25
		return XDP_DROP;
	}
	sum -= length; // runs 0.75
	bpf_map_update_elem(&lengths, &length, &one, BPF_ANY); // runs 0.75
	return XDP_PASS;
}

static __attribute__((noinline)) __u64 inner(__u64 x)
{
	return sum + x; // runs 5
}

static __attribute__((noinline)) __u64 outer(__u64 x)
{
	sum = inner(x); // runs 2
	sum = inner(x + 1); // runs 2
	return x * sum; // runs 2
}

SEC("xdp")
int functions(struct xdp_md *ctx)
{
	sum = outer(1); // runs 1
	sum = outer(2); // runs 1
	sum += inner(3); // runs 1
	return XDP_PASS; // runs 1
}

static long each(__u32 i, void *context)
{
	sum += i; // runs 7
	return 0; // runs 7
}

SEC("xdp")
int callbacks(struct xdp_md *ctx)
{
	bpf_loop(7, each, 0, 0);
	return XDP_PASS; // runs 1
}

SEC("xdp")
int tail_calls(struct xdp_md *ctx)
{
	sum++; // runs 1
	bpf_tail_call(ctx, &programs, 0); // runs 1
	sum--; // runs 1
	return XDP_PASS; // runs 1
}
