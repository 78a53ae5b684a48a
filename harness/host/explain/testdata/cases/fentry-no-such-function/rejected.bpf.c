// want attach-target "do_execve_of_mine"
// says the function is `do_execve_of_mine`
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("fentry/do_execve_of_mine")
int p(__u64 *ctx)
{
	return 0;
}
char _license[] SEC("license") = "GPL";
