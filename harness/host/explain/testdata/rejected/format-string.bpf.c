// want format-string "Invalid format string"
// want helper-too-new@5.10 "invalid func unknown#165"
// SPDX-License-Identifier: GPL-2.0-only

/* No conversion is called %k. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static const char format[] = "%k";

SEC("raw_tp/sys_enter")
int program(void *ctx)
{
	__u64 args[1] = { 1 };
	char out[16];

	return bpf_snprintf(out, sizeof(out), format, args, sizeof(args));
}

char _license[] SEC("license") = "GPL";
