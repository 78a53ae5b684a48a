// want helper-not-allowed "program of this type cannot use helper bpf_redirect"
// want helper-not-allowed@5.10,6.1 "unknown func bpf_redirect"
// SPDX-License-Identifier: GPL-2.0-only

/* A system call is no packet that could be redirected. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter")
int program(void *ctx)
{
	return bpf_redirect(1, 0);
}

char _license[] SEC("license") = "GPL";
