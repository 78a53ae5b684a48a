// want reference-leak "Unreleased reference"
// says bpf_sk_lookup_tcp returned
// says bpf_sk_release
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int p(struct __sk_buff *skb)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk = bpf_sk_lookup_tcp(skb, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);

	return sk ? 1 : 0;
}
char _license[] SEC("license") = "GPL";
