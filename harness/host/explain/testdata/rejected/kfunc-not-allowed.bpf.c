// want kfunc-not-allowed "calling kernel function bpf_sock_destroy is not allowed"
// want kfunc-missing@5.10,6.1 "bpf_sock_destroy"
// SPDX-License-Identifier: GPL-2.0-only

/* Sockets are destroyed by iterators over sockets. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct sock_common {
	unsigned short skc_family;
} __attribute__((preserve_access_index));

extern int bpf_sock_destroy(struct sock_common *sock) __ksym;

SEC("xdp")
int program(struct xdp_md *ctx)
{
	return bpf_sock_destroy((void *)ctx) ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
