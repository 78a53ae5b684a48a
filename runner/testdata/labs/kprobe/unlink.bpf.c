//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only

/* Files that are removed, by the parent of the process that removes them, and attempts that fail. */

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} by_parent SEC(".maps");

__u64 failed;

SEC("kprobe/vfs_unlink")
int on_unlink(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 parent = BPF_CORE_READ(task, real_parent, tgid);
	__u64 one = 1, *count = bpf_map_lookup_elem(&by_parent, &parent);

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&by_parent, &parent, &one, BPF_ANY);
	return 0;
}

SEC("kretprobe/vfs_unlink")
int BPF_KRETPROBE(on_return, int result)
{
	if (result)
		__sync_fetch_and_add(&failed, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
