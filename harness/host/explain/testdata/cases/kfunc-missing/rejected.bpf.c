// want kfunc-missing "my_module_strlen"
// says `my_module_strlen`
// says __weak
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int my_module_strlen(const char *s) __ksym;

SEC("kprobe/do_unlinkat")
int p(void *ctx)
{
	return my_module_strlen("x") & 0;
}
char _license[] SEC("license") = "GPL";
