// want uninit-register "R5 !read_ok"
// says R5
// says has spoilt
// says bpf_printk
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("kprobe/do_unlinkat")
int p(void *ctx)
{
	__u64 t = bpf_ktime_get_ns();

	bpf_printk("%llu", t);
	asm volatile("r0 = r5\nexit");
	__builtin_unreachable();
}
char _license[] SEC("license") = "GPL";
