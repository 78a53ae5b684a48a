//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only

/* The seed of FuzzCheck, committed as seed.o without DWARF:
 *	clang -target bpfel -mcpu=v3 -O2 -g -fdebug-compilation-dir=. -I/usr/include/$(uname -m)-linux-gnu -c seed.bpf.c -o seed.o
 *	llvm-strip -g seed.o
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct count { __u64 packets; __u64 bytes; };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");

const volatile __u32 verdict = XDP_PASS;
__u64 seen;

static __attribute__((noinline)) __u32 first_byte(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data;

	return data + 1 > (__u8 *)(long)ctx->data_end ? 0 : *data;
}

SEC("xdp")
int count_packets(struct xdp_md *ctx)
{
	__u32 key = first_byte(ctx);
	struct count *c = bpf_map_lookup_elem(&counts, &key);

	if (c)
		c->packets++;
	seen++;
	return verdict;
}
