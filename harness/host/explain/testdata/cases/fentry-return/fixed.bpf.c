// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("fentry/vfs_read")
int p(__u64 *ctx)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
