// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int my_module_strlen(const char *s) __ksym __weak;

SEC("kprobe/do_unlinkat")
int p(void *ctx)
{
	if (!my_module_strlen)
		return 0;
	return my_module_strlen("x") & 0;
}

char _license[] SEC("license") = "GPL";
