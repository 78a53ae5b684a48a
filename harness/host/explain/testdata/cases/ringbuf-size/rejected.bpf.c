// want length-constant "R2 is not a"
// want length-constant@5.10 "R2 unbounded size"
// says argument 2 of bpf_ringbuf_reserve, `n`
// says 0 to 63
// says a constant
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} rb SEC(".maps");

SEC("raw_tp/sys_enter")
int p(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 n = ctx->args[1] & 63;
	void *e = bpf_ringbuf_reserve(&rb, n, 0);

	if (!e)
		return 0;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
