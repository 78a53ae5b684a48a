// SPDX-License-Identifier: GPL-2.0

// A program for each kind of event that bench brings about, and one on a context. Most do the same: sum++.

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char _license[] SEC("license") = "GPL";

volatile __u64 sum;

SEC("lsm/file_open")
int BPF_PROG(opens, struct file *f)
{
	sum++;
	return 0;
}

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	if (ctx->task)
		sum++;
	return 0;
}

SEC("perf_event")
int samples(void *ctx)
{
	sum++;
	return 0;
}

SEC("cgroup/connect4")
int connects(void *ctx)
{
	sum++;
	return 1;
}

SEC("cgroup/sock_create")
int creates(void *ctx)
{
	sum++;
	return 1;
}

SEC("cgroup/sendmsg4")
int sends(void *ctx)
{
	sum++;
	return 1;
}

SEC("cgroup/sysctl")
int sysctls(void *ctx)
{
	sum++;
	return 1;
}

SEC("cgroup/dev")
int devices(void *ctx)
{
	sum++;
	return 1;
}

SEC("cgroup/setsockopt")
int options(void *ctx)
{
	sum++;
	return 1;
}

SEC("sockops")
int ends(void *ctx)
{
	sum++;
	return 1;
}

SEC("tp_btf/sched_switch")
int switches(void *ctx)
{
	sum++;
	return 0;
}

SEC("raw_tp/sys_enter")
int enters(void *ctx)
{
	sum++;
	return 0;
}

SEC("sk_lookup")
int looks_up(struct bpf_sk_lookup *ctx)
{
	if (ctx->local_port == 80)
		sum++;
	return SK_PASS;
}
