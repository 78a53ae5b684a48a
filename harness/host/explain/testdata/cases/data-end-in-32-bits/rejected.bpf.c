// want packet-bounds "invalid access to packet"
// says is not data_end to the verifier
// says 0 to 4294967295
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int p(struct __sk_buff *skb)
{
	unsigned char *d = (void *)(long)skb->data;
	__u64 end = skb->data_end;

	asm volatile("r2 = %0\nw2 = w2\n%0 = r2" : "+r"(end) :: "r2");
	if ((__u64)(d + 14) > end)
		return 0;
	return d[13];
}
char _license[] SEC("license") = "GPL";
