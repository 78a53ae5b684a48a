// want kfunc-missing@5.10,6.1 "bpf_sock_destroy"
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct sock_common {
	unsigned short skc_family;
} __attribute__((preserve_access_index));

struct bpf_iter__tcp {
	struct sock_common *sk_common;
} __attribute__((preserve_access_index));

extern int bpf_sock_destroy(struct sock_common *sock) __ksym;

SEC("iter/tcp")
int p(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;

	if (sk && sk->skc_family == 2)
		bpf_sock_destroy(sk);
	return 0;
}

char _license[] SEC("license") = "GPL";
