// want packet-readonly "cannot write into packet"
// SPDX-License-Identifier: GPL-2.0-only

/* A program on the way into a light-weight tunnel only looks. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("lwt_in")
int program(struct __sk_buff *skb)
{
	char *data = (void *)(long)skb->data;
	char *data_end = (void *)(long)skb->data_end;

	if (data + 1 > data_end)
		return BPF_DROP;
	data[0] = 0;
	return BPF_OK;
}

char _license[] SEC("license") = "GPL";
