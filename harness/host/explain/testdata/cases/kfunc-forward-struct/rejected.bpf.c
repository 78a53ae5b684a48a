// want kfunc-prototype "bpf_sock_destroy"
// want kfunc-missing@5.10,6.1 "bpf_sock_destroy"
// says `bpf_sock_destroy`
// says sock_common is only declared
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct sock_common;
extern int bpf_sock_destroy(struct sock_common *sock) __ksym;

SEC("xdp")
int p(struct xdp_md *ctx)
{
	return bpf_sock_destroy((void *)ctx) & 1;
}
char _license[] SEC("license") = "GPL";
