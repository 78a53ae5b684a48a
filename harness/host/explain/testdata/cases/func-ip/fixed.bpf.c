// want helper-too-new@5.10 "unknown#173"
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("fentry/vfs_read")
int p(__u64 *ctx)
{
	return bpf_get_func_ip(ctx) & 0;
}

char _license[] SEC("license") = "GPL";
