// want arena "arena's user address must be set via map_extra or mmap()"
// want map-refused@5.10,6.1,7.3 "map memory refused"
// SPDX-License-Identifier: GPL-2.0-only

/* An arena of which the kernel does not know where user space has it. */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define ARENA 33 /* BPF_MAP_TYPE_ARENA, which older headers do not have */

struct {
	__uint(type, ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
} memory SEC(".maps");

SEC("syscall")
int program(void *ctx)
{
	void *m = &memory;

	asm volatile("" : "+r"(m));
	return 0;
}

char _license[] SEC("license") = "GPL";
