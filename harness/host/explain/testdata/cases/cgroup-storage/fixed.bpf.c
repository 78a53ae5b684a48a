// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct both {
	__u64 a, b;
};

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, struct both);
} m SEC(".maps");

SEC("cgroup_skb/egress")
int p(struct __sk_buff *skb)
{
	struct both *v = bpf_get_local_storage(&m, 0);

	return (v->a + v->b) & 1;
}

char _license[] SEC("license") = "GPL";
