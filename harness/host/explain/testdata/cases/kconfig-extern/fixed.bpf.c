// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern unsigned int LINUX_KERNEL_VERSION __kconfig;

SEC("tc")
int p(struct __sk_buff *skb)
{
	return LINUX_KERNEL_VERSION > 0x050c00;
}

char _license[] SEC("license") = "GPL";
