// want ctx-access "invalid bpf_context access"
// SPDX-License-Identifier: GPL-2.0-only

/* A field is read that XDP programs have not. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int program(struct __sk_buff *skb)
{
	return skb->priority ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
