// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"

	"bpflab/harness/guest/guesttest"
)

func TestTarget(t *testing.T) {
	guesttest.Guest(t) // with tracefs
	for section, want := range map[string]string{
		"kprobe/vfs_unlink": "", "kprobe/vfs_unlink+0x4": "", "kretprobe/vfs_unlink": "", "?kprobe/vfs_unlink": "",
		"kprobe/no_such_function": "no function no_such_function", "kretprobe/no_such_function": "no function no_such_function",
		"ksyscall/openat": "", "ksyscall/no_such_call": "no function __x64_sys_no_such_call",
		"tracepoint/syscalls/sys_enter_openat": "", "tp/sched/sched_switch": "", "tp/sched/no_such_event": "no tracepoint sched/no_such_event",
		"raw_tp/sys_enter": "", "raw_tracepoint/sys_enter": "", "raw_tp/no_such_event": "no raw tracepoint no_such_event", "raw_tp.w/no_such_event": "no raw tracepoint no_such_event",
		"xdp": "", "kprobe": "", "kprobe.multi/no_such_*": "", "fentry/no_such_function": "", // loading tells
	} {
		err := Target(&ebpf.ProgramSpec{SectionName: section})
		if want == "" {
			assert.NoError(t, err, section)
			continue
		}
		assert.ErrorContains(t, err, "this kernel has "+want, section)
	}
}
