// want helper-not-allowed "supported only for fentry"
// want helper-too-new@5.10 "unknown#173"
// says bpf_get_func_ip
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_switch")
int p(__u64 *ctx)
{
	return bpf_get_func_ip(ctx) & 0;
}
char _license[] SEC("license") = "GPL";
