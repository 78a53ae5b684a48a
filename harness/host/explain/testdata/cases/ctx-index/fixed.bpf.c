// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* The compiler would make one access of these: each value is kept apart. */
#define CB(n)                                \
	case n:                              \
		v = skb->cb[n];              \
		asm volatile("" : "+r"(v));  \
		break

SEC("tc")
int p(struct __sk_buff *skb)
{
	__u32 v = 0;

	switch (skb->mark) {
		CB(0);
		CB(1);
		CB(2);
		CB(3);
		CB(4);
	}
	return v;
}

char _license[] SEC("license") = "GPL";
