// want helper-not-here "not allowed in probe"
// says bpf_d_path
// says vfs_truncate
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct path;
SEC("fentry/vfs_read")
int p(__u64 *ctx)
{
	char b[64];

	bpf_d_path((struct path *)ctx[0], b, sizeof(b));
	return 0;
}
char _license[] SEC("license") = "GPL";
