// want length-zero "invalid zero-sized read"
// SPDX-License-Identifier: GPL-2.0-only

/* A length may be zero, for a helper that wants something. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter")
int program(struct bpf_raw_tracepoint_args *ctx)
{
	char comm[16] = {};
	__u64 len = ctx->args[1] & 15;

	return bpf_get_current_comm(comm, len);
}

char _license[] SEC("license") = "GPL";
