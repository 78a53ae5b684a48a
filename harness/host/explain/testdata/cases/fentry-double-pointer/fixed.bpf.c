// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct file {
	unsigned int f_flags;
} __attribute__((preserve_access_index));

struct fdtable {
	struct file **fd;
} __attribute__((preserve_access_index));

struct files_struct {
	struct fdtable *fdt;
} __attribute__((preserve_access_index));

struct task_struct {
	struct files_struct *files;
} __attribute__((preserve_access_index));

volatile __u64 seen;

SEC("tp_btf/sched_process_exec")
int p(__u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];
	unsigned int flags;
	struct file *f;

	if (bpf_probe_read_kernel(&f, sizeof(f), t->files->fdt->fd))
		return 0;
	if (bpf_probe_read_kernel(&flags, sizeof(flags), &f->f_flags))
		return 0;
	seen = flags;
	return 0;
}

char _license[] SEC("license") = "GPL";
