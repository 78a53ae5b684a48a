// want field-program-type "tracing progs cannot use bpf_spin_lock yet"
// SPDX-License-Identifier: GPL-2.0-only

/* A lock in a program that may interrupt its holder. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct locked {
	struct bpf_spin_lock lock;
	__u32 calls;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct locked);
} counts SEC(".maps");

SEC("kprobe/do_nanosleep")
int program(void *ctx)
{
	__u32 key = 0;
	struct locked *c = bpf_map_lookup_elem(&counts, &key);

	if (!c)
		return 0;
	bpf_spin_lock(&c->lock);
	c->calls++;
	bpf_spin_unlock(&c->lock);
	return 0;
}

char _license[] SEC("license") = "GPL";
