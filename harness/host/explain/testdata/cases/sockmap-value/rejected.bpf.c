// want helper-arg-type "R3 type=fp expected=sock"
// says `&v`
// says the stack
// says a socket
// says bpf_sock_map_update
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct { __uint(type, BPF_MAP_TYPE_SOCKMAP); __uint(max_entries, 2); __type(key, __u32); __type(value, __u32); } m SEC(".maps");

SEC("tc")
int p(struct __sk_buff *skb)
{
	__u32 k = 0, v = 0;

	bpf_map_update_elem(&m, &k, &v, 0);
	return 0;
}
char _license[] SEC("license") = "GPL";
