// want return-value "At program exit"
// says returns 1; only 0
// says return 0;
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("fentry/vfs_read")
int p(__u64 *ctx)
{
	return 1;
}
char _license[] SEC("license") = "GPL";
