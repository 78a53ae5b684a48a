// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kernelTypes are what a program that traces the kernel knows of it: a structure that CO-RE relocates, and one that it
// does not.
const kernelTypes = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

struct file { long flags; struct file *next; long owner; } __attribute__((preserve_access_index));
struct copy { long flags; struct copy *next; long owner; };
struct args { struct file *file; long id; };

__u64 seen;
static long read(const void *from)
{
	long value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), from);
	return value;
}
`

func TestFixedReads(t *testing.T) {
	for name, tt := range map[string]struct {
		section, body string
		want          []string // texts of the lines
	}{
		"relocated":             {"raw_tp/x", "struct file *f = (void *)ctx[0]; seen = BPF_CORE_READ(f, next, owner);", nil},
		"fixed":                 {"raw_tp/x", "struct copy *f = (void *)ctx[0]; seen = read(&f->owner);", []string{"bpf_probe_read_kernel(&value, sizeof(value), from);"}},
		"the first field":       {"raw_tp/x", "struct copy *f = (void *)ctx[0]; seen = read(&f->flags);", nil},
		"through another":       {"raw_tp/x", "struct file *f = (void *)ctx[0]; struct copy *n = (void *)BPF_CORE_READ(f, next); seen = read(&n->owner);", []string{"bpf_probe_read_kernel(&value, sizeof(value), from);"}},
		"the task":              {"raw_tp/x", "struct copy *f = (void *)bpf_get_current_task(); seen = read(&f->owner);", []string{"bpf_probe_read_kernel(&value, sizeof(value), from);"}},
		"without a helper":      {"fentry/x", "struct copy *f = (void *)ctx[0]; seen = f->owner;", []string{"struct copy *f = (void *)ctx[0]; seen = f->owner; return 0; }"}},
		"at a variable place":   {"raw_tp/x", "char *f = (void *)ctx[0]; seen = read(f + ctx[1] + 8);", nil},
		"a call's registers":    {"raw_tp/sys_enter", "struct copy *f = (void *)ctx[0]; seen = read(&f->owner);", nil},
		"a call's other word":   {"raw_tp/sys_enter", "struct copy *f = (void *)ctx[1]; seen = read(&f->owner);", []string{"bpf_probe_read_kernel(&value, sizeof(value), from);"}},
		"of a process":          {"uprobe/x", "struct copy *f = (void *)ctx[0]; seen = read(&f->owner);", nil},
		"a call's arguments":    {"tp/syscalls/sys_enter_open", "struct copy *f = (void *)ctx[2]; seen = read(&f->owner);", nil},
		"of a packet":           {"xdp", "struct copy *f = (void *)ctx[0]; seen = read(&f->owner);", nil},
		"what may be something": {"raw_tp/x", "struct copy *f = ctx[1] ? (void *)ctx[0] : (void *)&seen; seen = read(&f->owner);", nil},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := Parse(compile(t, kernelTypes+"SEC(\""+tt.section+"\") int p(long *ctx) {\n"+tt.body+" return 0; }\n"))
			require.NoError(t, err)
			insns := spec.Programs["p"].Instructions
			lines := Lines(insns)
			var got []string
			for i, fixed := range FixedReads(spec.Programs["p"]) {
				if fixed {
					got = append(got, lines[i].Text)
				}
			}
			assert.Equal(t, tt.want, got, "%v", insns)
		})
	}
}
