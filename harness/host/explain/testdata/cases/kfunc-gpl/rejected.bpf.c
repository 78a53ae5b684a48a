// want license "non-GPL compatible program"
// want kfunc-missing@5.10,6.1 "bpf_rcu_read_lock"
// says kernel function
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

SEC("fentry/vfs_read")
int p(__u64 *ctx)
{
	bpf_rcu_read_lock();
	bpf_rcu_read_unlock();
	return 0;
}
char _license[] SEC("license") = "Proprietary";
