// want scalar-deref "invalid mem access 'scalar'"
// want scalar-deref@5.10 "invalid mem access 'inv'"
// SPDX-License-Identifier: GPL-2.0-only

/* A record is written to after it was submitted. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct event {
	__u64 ts;
	__u64 pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("raw_tp/sys_enter")
int program(void *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return 0;
	e->ts = bpf_ktime_get_ns();
	bpf_ringbuf_submit(e, 0);
	e->pid = bpf_get_current_pid_tgid() >> 32;
	return 0;
}

char _license[] SEC("license") = "GPL";
