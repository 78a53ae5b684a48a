// SPDX-License-Identifier: GPL-2.0-only

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

#define MAP(name, kind, entries)			\
	struct {					\
		__uint(type, BPF_MAP_TYPE_##kind);	\
		__uint(max_entries, entries);		\
		__type(key, __u32);			\
		__type(value, __u64);			\
	} name SEC(".maps")

MAP(percpu, PERCPU_ARRAY, 16);
MAP(hash, HASH, 100);
MAP(one, ARRAY, 1);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 100);
	__uint(key_size, 4);
	__uint(value_size, 8);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} grows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 100);
	__uint(value_size, 8);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 4);
} filled_later SEC(".maps");

int own(struct xdp_md *ctx);
int circles(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__array(values, int(void *));
} filled SEC(".maps") = { .values = { [0] = (void *)&own } };

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__array(values, int(void *));
} circle SEC(".maps") = { .values = { [0] = (void *)&circles } };

__u64 total, bytes;

static __always_inline void add(void *map)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(map, &key);

	if (value)
		*value += 1;
}

SEC("xdp")
int own(struct xdp_md *ctx)
{
	add(&percpu);
	return XDP_PASS;
}

SEC("xdp")
int global(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&total, 1);
	__sync_fetch_and_add(&bytes, ctx->data_end - ctx->data);
	return XDP_PASS;
}

SEC("xdp")
int keyed(struct xdp_md *ctx)
{
	add(&hash);
	return XDP_PASS;
}

SEC("xdp")
int single(struct xdp_md *ctx)
{
	add(&one);
	return XDP_PASS;
}

SEC("xdp")
int queued(struct xdp_md *ctx)
{
	__u64 value = 1;

	return bpf_map_push_elem(&queue, &value, 0);
}

SEC("xdp")
int ringed(struct xdp_md *ctx)
{
	__u64 value = 1;

	bpf_ringbuf_output(&ring, &value, sizeof(value), 0);
	bpf_perf_event_output(ctx, &events, 0, &value, sizeof(value));
	return XDP_PASS;
}

SEC("xdp")
int looped(struct xdp_md *ctx)
{
	__u64 value = 1;

	for (__u32 key = 0; key < (ctx->rx_queue_index & 255); key++)
		bpf_map_update_elem(&grows, &key, &value, 0);
	return XDP_PASS;
}

static __attribute__((noinline)) int go(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &filled_later, 1);
	return 1;
}

SEC("xdp")
int called(struct xdp_md *ctx)
{
	return go(ctx);
}

SEC("xdp")
int chained(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &filled, 0);
	return XDP_PASS;
}

SEC("xdp")
int circles(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &circle, 0);
	return XDP_PASS;
}

struct file { long flags, owner; };
struct inode { long mode, owner; } __attribute__((preserve_access_index));

SEC("raw_tp/x")
int fixed(struct bpf_raw_tracepoint_args *ctx)
{
	struct file *f = (void *)ctx->args[0];
	long owner = 0;

	bpf_probe_read_kernel(&owner, sizeof(owner), &f->owner);
	return owner;
}

SEC("raw_tp/x")
int relocated(struct bpf_raw_tracepoint_args *ctx)
{
	struct inode *i = (void *)ctx->args[0];

	return BPF_CORE_READ(i, owner);
}
