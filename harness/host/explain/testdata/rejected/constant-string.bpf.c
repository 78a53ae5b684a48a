// want constant-string "does not point to a readonly map"
// want helper-too-new@5.10 "invalid func unknown#182"
// SPDX-License-Identifier: GPL-2.0-only

/* The text to compare with may change. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char want[8] = "nginx";

SEC("raw_tp/sys_enter")
int program(void *ctx)
{
	char comm[16];

	bpf_get_current_comm(comm, sizeof(comm));
	return bpf_strncmp(comm, sizeof(comm), want);
}

char _license[] SEC("license") = "GPL";
