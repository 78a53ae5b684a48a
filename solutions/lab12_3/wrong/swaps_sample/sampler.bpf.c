// want counts:fail "in the order class, ts"
// SPDX-License-Identifier: GPL-2.0-only

/* Has the fields of `struct sample` in another order than who reads them. */

#define __TARGET_ARCH_x86

#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct sample {
	__u64 class;
	__u64 ts;
};

struct count {
	__u64 seen;
	__u64 sampled;
	__u64 next; /* the number of the next call to sample */
	__u64 unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");

const volatile __u32 target_pid = 0;
const volatile __u64 target_syscall = 0;

volatile __u32 rate = 65536;

/* How many calls on the next sample is, at random: 1 to 2/rate - 1, and 1/rate on average. A
 * fixed distance would be in step with a load that repeats itself.
 */
static __always_inline __u64 distance(void)
{
	__u64 part = rate;
	__u64 most; /* of 65,536ths of a call */

	if (part == 0)
		part = 1;
	most = (1ULL << 33) / part - 65536; /* 2/rate - 1 */
	return 1 + (((__u64)bpf_get_prandom_u32() * most) >> 48);
}

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs;
	struct sample *s;
	struct count *c;
	__u32 zero = 0;

	/* What is at hand first: most calls of most processes end here. */
	if (ctx->args[1] != target_syscall || bpf_get_current_pid_tgid() >> 32 != target_pid)
		return 0;
	c = bpf_map_lookup_elem(&counts, &zero);
	if (!c)
		return 0;
	if (++c->seen < c->next)
		return 0; /* a count and a comparison: that is all that most calls cost */

	if (rate <= 32768) {
		c->next = c->seen + distance();
	} else { /* distances of 1 and 2 cannot be mixed as finely as that; and most are sampled */
		c->next = c->seen + 1;
		if ((bpf_get_prandom_u32() & 0xffff) >= rate)
			return 0;
	}
	s = bpf_ringbuf_reserve(&events, sizeof(*s), 0);
	if (!s)
		return 0;
	regs = (void *)ctx->args[0];
	s->ts = bpf_ktime_get_ns();
	bpf_probe_read_kernel(&s->class, sizeof(s->class), &PT_REGS_PARM1_SYSCALL(regs));
	bpf_ringbuf_submit(s, 0);
	c->sampled++;
	return 0;
}

char _license[] SEC("license") = "GPL";
