// want ctx-variable-index "variable ctx access"
// says Here the offset is 0 to 16
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int p(struct __sk_buff *skb)
{
	__u32 i = skb->mark;

	if (i > 4)
		return 0;
	return skb->cb[i];
}
char _license[] SEC("license") = "GPL";
