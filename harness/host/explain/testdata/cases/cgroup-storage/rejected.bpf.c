// want cgroup-storage "only one cgroup storage"
// says one struct
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_CGROUP_STORAGE); __type(key, struct bpf_cgroup_storage_key); __type(value, __u64); } a SEC(".maps"), b SEC(".maps");

SEC("cgroup_skb/egress")
int p(struct __sk_buff *skb)
{
	__u64 *x = bpf_get_local_storage(&a, 0), *y = bpf_get_local_storage(&b, 0);

	return (*x + *y) & 1;
}
char _license[] SEC("license") = "GPL";
