// want socket-access "invalid sock_common access off=200 size=1"
// SPDX-License-Identifier: GPL-2.0-only

/* A socket has no such field. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int program(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	if (!sk)
		return 0;
	return *((__u8 *)sk + 200);
}

char _license[] SEC("license") = "GPL";
