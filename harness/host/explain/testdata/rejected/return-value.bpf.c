// want return-value "should have been in [0, 1]"
// want return-value@5.10,6.1 "should have been in (0x0; 0x1)"
// SPDX-License-Identifier: GPL-2.0-only

/* A filter of a control group says yes (1) or no (0). */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("cgroup_skb/ingress")
int program(struct __sk_buff *skb)
{
	return 2;
}

char _license[] SEC("license") = "GPL";
