// want license "cannot call GPL-restricted function from non-GPL compatible program"
// SPDX-License-Identifier: GPL-2.0-only

/* A helper under the GPL is called from a program that is not. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter")
int program(struct bpf_raw_tracepoint_args *ctx)
{
	char c = 0;

	bpf_probe_read_kernel(&c, sizeof(c), (void *)ctx->args[0]);
	return c;
}

char _license[] SEC("license") = "Proprietary";
