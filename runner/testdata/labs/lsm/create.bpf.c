//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only

/* No file that everybody may write to. */

#include <linux/bpf.h>
#include <linux/errno.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("lsm.s/inode_create")
int BPF_PROG(on_create, void *folder, void *entry, __u16 mode, int before)
{
	if (before)
		return before;
	return mode & 02 ? -EPERM : 0;
}

char _license[] SEC("license") = "GPL";
