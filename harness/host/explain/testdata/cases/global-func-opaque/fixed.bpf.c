// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct opaque;

static __attribute__((noinline)) int touch(struct opaque *o, int n)
{
	return o ? n + 1 : n;
}

SEC("tc")
int p(struct __sk_buff *skb)
{
	int x = 0;

	return touch((struct opaque *)&x, skb->len);
}

char _license[] SEC("license") = "GPL";
