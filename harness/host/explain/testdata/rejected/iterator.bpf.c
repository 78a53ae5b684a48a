// want iterator "expected an initialized iter_num as arg #0"
// want kfunc-missing@5.10,6.1 "bpf_iter_num_next"
// want iterator@7.3 "expected an initialized iter_num as R1"
// SPDX-License-Identifier: GPL-2.0-only

/* An iterator that was not created. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct bpf_iter_num {
	__u64 __opaque[1];
} __attribute__((aligned(8)));

extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;

SEC("raw_tp/sys_enter")
int program(void *ctx)
{
	struct bpf_iter_num it;
	int *n = bpf_iter_num_next(&it);

	return n ? *n : 0;
}

char _license[] SEC("license") = "GPL";
