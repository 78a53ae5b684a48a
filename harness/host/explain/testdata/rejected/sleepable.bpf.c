// want sleepable "helper call might sleep in a non-sleepable prog"
// want helper-not-allowed@5.10 "unknown func bpf_copy_from_user#148"
// want sleepable@7.3 "sleepable helper bpf_copy_from_user#148 in non-sleepable prog"
// SPDX-License-Identifier: GPL-2.0-only

/* Reading user memory may sleep, a tracepoint may not. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tp_btf/sched_process_exec")
int program(__u64 *ctx)
{
	char b[8] = {};

	bpf_copy_from_user(b, sizeof(b), (void *)ctx);
	return b[0];
}

char _license[] SEC("license") = "GPL";
