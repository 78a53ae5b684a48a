// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int p(void *ctx)
{
	return 1;
}

char _license[] SEC("license") = "GPL";
