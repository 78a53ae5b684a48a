// want program-type "program type Netfilter"
// want accepted@6.12,6.18,7.3
// says Netfilter came with Linux 6.4
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("netfilter")
int p(void *ctx)
{
	return 1;
}
char _license[] SEC("license") = "GPL";
