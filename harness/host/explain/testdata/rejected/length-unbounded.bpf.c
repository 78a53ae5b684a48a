// want length-unbounded "unbounded memory access, use"
// SPDX-License-Identifier: GPL-2.0-only

/* A length comes from elsewhere and is not checked. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter")
int program(struct bpf_raw_tracepoint_args *ctx)
{
	char buf[64];
	__u32 len = (__u32)ctx->args[1] / 2;

	return bpf_probe_read_kernel(buf, len, (void *)ctx->args[0]);
}

char _license[] SEC("license") = "GPL";
