//go:build ignore

// SPDX-License-Identifier: GPL-2.0-only

/* Counts the interrupts by which a ring buffer has its reader woken: the kernel may not wake
 * anyone from where a BPF program runs, so it puts that off to one of these.
 */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 wakes = 0;

SEC("raw_tp/irq_work_entry")
int on_irq_work(void *ctx)
{
	__sync_fetch_and_add(&wakes, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
