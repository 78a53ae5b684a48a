// want buffer-bounds "invalid tracepoint buffer access"
// want buffer-bounds@7.3 "invalid negative tracepoint buffer offset"
// SPDX-License-Identifier: GPL-2.0-only

/* The buffer of a writable tracepoint begins at its start. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tracepoint.w/nbd_send_request")
int program(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 *buffer = (void *)ctx->args[0];

	return buffer[-1] == 1;
}

char _license[] SEC("license") = "GPL";
