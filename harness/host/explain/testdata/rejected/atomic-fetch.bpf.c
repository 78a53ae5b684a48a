// want atomic-fetch "BPF_STX uses reserved fields"
// want accepted@6.1,6.12,6.18,7.3
// SPDX-License-Identifier: GPL-2.0-only

/* The addition is asked for what was there before. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 packets;
__u64 started;

SEC("xdp")
int program(struct xdp_md *ctx)
{
	if (__sync_fetch_and_add(&packets, 1) == 0)
		started = bpf_ktime_get_ns();
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
