// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int p(struct __sk_buff *skb)
{
	unsigned char *d = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (d + 14 > end)
		return 0;
	return d[13];
}

char _license[] SEC("license") = "GPL";
