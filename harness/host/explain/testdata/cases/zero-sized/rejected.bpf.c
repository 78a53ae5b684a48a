// want length-zero "invalid zero-sized read"
// says argument 4 of bpf_skb_load_bytes, `n`
// says 0 to 190
// says 1 to 191
// says n + 1
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int p(struct __sk_buff *skb)
{
	unsigned char b[191];
	__u64 n = skb->len;

	if (n > sizeof(b))
		n = sizeof(b);
	if (bpf_skb_load_bytes(skb, 0, b, n))
		return 0;
	return b[0];
}
char _license[] SEC("license") = "GPL";
