// want region-open "BPF_EXIT instruction in main prog cannot be used inside bpf_rcu_read_lock-ed region"
// want kfunc-missing@5.10,6.1 "bpf_rcu_read_lock"
// want region-open@6.12 "bpf_rcu_read_unlock is missing"
// SPDX-License-Identifier: GPL-2.0-only

/* An RCU section is not closed. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void bpf_rcu_read_lock(void) __ksym;

SEC("tp_btf/sched_process_exec")
int program(__u64 *ctx)
{
	bpf_rcu_read_lock();
	return 0;
}

char _license[] SEC("license") = "GPL";
