// want global-function "touch"
// want global-function@6.1 "size cannot be determined"
// says Make the function `static`|make the function `static`
// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct opaque;
__attribute__((noinline)) int touch(struct opaque *o, int n) { return o ? n + 1 : n; }

SEC("tc")
int p(struct __sk_buff *skb)
{
	int x = 0;

	return touch((struct opaque *)&x, skb->len);
}
char _license[] SEC("license") = "GPL";
