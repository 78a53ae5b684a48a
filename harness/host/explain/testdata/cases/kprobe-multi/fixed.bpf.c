// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe.multi/vfs_*")
int p(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
