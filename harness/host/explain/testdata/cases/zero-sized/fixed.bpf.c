// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int p(struct __sk_buff *skb)
{
	unsigned char b[191] = {};
	__u64 n = skb->len - 1;

	if (n >= sizeof(b))
		n = sizeof(b) - 1;
	barrier_var(n);
	if (n >= sizeof(b))
		return 0;
	if (bpf_skb_load_bytes(skb, 0, b, n + 1))
		return 0;
	return b[0];
}

char _license[] SEC("license") = "GPL";
