// want helper-too-new "unknown#174"
// want accepted@6.1,6.12,6.18,7.3
// says bpf_get_attach_cookie
// says 5.15
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe.multi/vfs_*")
int p(void *ctx)
{
	return bpf_get_attach_cookie(ctx) & 0;
}
char _license[] SEC("license") = "GPL";
