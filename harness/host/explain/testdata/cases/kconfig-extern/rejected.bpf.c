// want kconfig "LINUX_KERNEL_VERSION"
// says `LINUX_KERNEL_VERSION`
// says the typedef __u32
// says unsigned int
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern __u32 LINUX_KERNEL_VERSION __attribute__((section(".kconfig")));

SEC("tc")
int p(struct __sk_buff *skb)
{
	return LINUX_KERNEL_VERSION > 0x050c00;
}
char _license[] SEC("license") = "GPL";
