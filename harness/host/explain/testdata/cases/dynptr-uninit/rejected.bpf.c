// want dynptr "xpected an initialized dynptr"
// want helper-too-new@5.10 "unknown#201"
// says bpf_dynptr_read
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter")
int p(struct bpf_raw_tracepoint_args *ctx)
{
	struct bpf_dynptr d;
	__u64 v = 0;

	bpf_dynptr_read(&v, sizeof(v), &d, 0, 0);
	return 0;
}
char _license[] SEC("license") = "GPL";
