// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_switch")
int p(__u64 *ctx)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
