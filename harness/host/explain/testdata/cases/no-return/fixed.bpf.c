// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe/do_unlinkat")
int p(void *ctx)
{
	__u64 t = bpf_ktime_get_ns();

	bpf_printk("%llu", t);
	return 0;
}

char _license[] SEC("license") = "GPL";
