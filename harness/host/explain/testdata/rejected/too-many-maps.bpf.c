// want too-many-maps "The total number of maps per program has reached the limit of 64"
// want too-many-maps@5.10,6.1 "E2BIG without a log"
// SPDX-License-Identifier: GPL-2.0-only

/* One more map than a program may use. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAP(n)								\
	struct {							\
		__uint(type, BPF_MAP_TYPE_ARRAY);			\
		__uint(max_entries, 1);					\
		__type(key, __u32);					\
		__type(value, __u64);					\
	} map##n SEC(".maps");
#define USE(n) bpf_map_lookup_elem(&map##n, &key) == (void *)1 ||
#define EIGHT(f, n) f(n##0) f(n##1) f(n##2) f(n##3) f(n##4) f(n##5) f(n##6) f(n##7)
#define ALL(f) EIGHT(f, 0) EIGHT(f, 1) EIGHT(f, 2) EIGHT(f, 3) EIGHT(f, 4) EIGHT(f, 5) EIGHT(f, 6) EIGHT(f, 7) f(last)

ALL(MAP)

SEC("xdp")
int program(struct xdp_md *ctx)
{
	__u32 key = 0;

	return ALL(USE) 0;
}

char _license[] SEC("license") = "GPL";
