// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

// Logs as they are found in the field, by where they come from.
var logsOf = map[string]string{
	"bare": `0: R1=ctx() R10=fp0
; return *n; @ count.bpf.c:9
0: (79) r0 = *(u64 *)(r1 +0)          ; R0_w=map_value_or_null(id=1,map=m,ks=4,vs=8)
1: (79) r0 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`,
	"libbpf": `libbpf: loading object 'count.bpf.o' from file
libbpf: prog 'count': BPF program load failed: Permission denied
libbpf: prog 'count': -- BEGIN PROG LOAD LOG --
0: R1=ctx(off=0,imm=0) R10=fp0
; return *n;
1: (79) r0 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
-- END PROG LOAD LOG --
libbpf: prog 'count': failed to load: -13
libbpf: failed to load object 'count.bpf.o'
`,
	"libbpf, a program before it": `libbpf: prog 'fine': -- BEGIN PROG LOAD LOG --
1: (95) exit
processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
-- END PROG LOAD LOG --
libbpf: prog 'count': -- BEGIN PROG LOAD LOG --
1: (79) r0 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
-- END PROG LOAD LOG --
libbpf: prog 'count': failed to load: -13
`,
	"bpftool": `libbpf: prog 'count': BPF program load failed: Permission denied
libbpf: prog 'count': -- BEGIN PROG LOAD LOG --
1: (79) r0 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
-- END PROG LOAD LOG --
libbpf: prog 'count': failed to load: -13
libbpf: failed to load object 'count.bpf.o'
Error: failed to load object file
`,
	"cilium/ebpf": "2026/11/28 04:09:42 loading: field Count: program count: load program: permission denied:\n" +
		"\t0: R1=ctx() R10=fp0\n" +
		"\t; return *n; @ count.bpf.c:9\n" +
		"\t1: (79) r0 = *(u64 *)(r0 +0)\n" +
		"\tR0 invalid mem access 'map_value_or_null'\n" +
		"\tprocessed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n",
	"cilium/ebpf, one line": "2026/11/28 04:09:42 field Count: program count: load program: permission denied: 1: (79) r0 = *(u64 *)(r0 +0): R0 invalid mem access 'map_value_or_null' (4 line(s) omitted)\n",
	"aya": `Error: the BPF_PROG_LOAD syscall failed. Verifier output: 0: R1=ctx(off=0,imm=0) R10=fp0
1: (79) r0 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0


Caused by:
    Permission denied (os error 13)
`,
	"bcc": `bpf: Failed to load program: Permission denied
0: (79) r0 = *(u64 *)(r1 +0)
1: (79) r0 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0

Traceback (most recent call last):
  File "count.py", line 12, in <module>
    b.attach_kprobe(event="vfs_read", fn_name="count")
Exception: Failed to load BPF program b'count': Permission denied
`,
	"the kernel's log": `[  123.456789] 0: R1=ctx() R10=fp0
[  123.456790] 1: (79) r0 = *(u64 *)(r0 +0)
[  123.456791] R0 invalid mem access 'map_value_or_null'
[  123.456792] processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`,
	"the journal": `Nov 28 04:09:42 host loader[812]: libbpf: prog 'count': -- BEGIN PROG LOAD LOG --
Nov 28 04:09:42 host loader[812]: 1: (79) r0 = *(u64 *)(r0 +0)
Nov 28 04:09:42 host loader[812]: R0 invalid mem access 'map_value_or_null'
Nov 28 04:09:42 host loader[812]: -- END PROG LOAD LOG --
Nov 28 04:09:42 host loader[812]: libbpf: prog 'count': failed to load: -13
`,
	"Windows line ends and colours": "\x1b[31m1: (79) r0 = *(u64 *)(r0 +0)\x1b[0m\r\nR0 invalid mem access 'map_value_or_null'\r\nprocessed 2 insns (limit 1000000)\r\n",
	"the message alone":             "R0 invalid mem access 'map_value_or_null'\n",
}

func TestParseLog(t *testing.T) {
	for name, text := range logsOf {
		r := ParseLog(text)
		assert.False(t, r.Accepted, name)
		assert.Equal(t, "R0 invalid mem access 'map_value_or_null'", r.Message, name)
		assert.Equal(t, Verifier, r.By, name)
		loaded := strings.Contains(text, "count': ") || strings.Contains(text, "program count:")
		assert.Equal(t, loaded, r.Program == "count", "%s: %q", name, r.Program)
		denied := strings.Contains(strings.ToLower(text), "permission denied") || strings.Contains(text, "-13")
		assert.Equal(t, denied, r.Errno == "EACCES", "%s: %q", name, r.Errno)
		if strings.Contains(text, "r0 = *(u64 *)(r0 +0)\n") {
			assert.Contains(t, strings.Join(r.Log, "\n"), "1: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid", name)
			assert.Equal(t, r.Log, r.Trace, name)
		}
		if name == "aya" {
			assert.Equal(t, "0: R1=ctx(off=0,imm=0) R10=fp0", r.Log[0], "without aya's words before it")
		}
		if strings.Contains(text, "processed 2 insns") {
			assert.Equal(t, 2, r.Stats.Processed, name)
		}
		if strings.Contains(text, "count.bpf.c:9") {
			assert.Equal(t, "count.bpf.c:9: return *n;", r.Source, name)
		}
	}
}

// A log of an accepted program, a text that is no log, and what a library says before the kernel is asked.
func TestParseLogOthers(t *testing.T) {
	r := ParseLog("0: (b7) r0 = 0\n1: (95) exit\nverification time 7 usec\nprocessed 2 insns (limit 1000000)\n")
	assert.True(t, r.Accepted)
	assert.Equal(t, 2, r.Stats.Processed)

	r = ParseLog("")
	assert.Equal(t, Report{}, r)

	for text, want := range map[string]string{
		"libbpf: extern (func ksym) 'bpf_made_up': not found in kernel or module BTFs\nlibbpf: failed to load object 'x'\nlibbpf: failed to load BPF skeleton 'x': -22\n": "extern (func ksym) 'bpf_made_up': not found in kernel or module BTFs",
		"libbpf: prog 'p': failed to find kernel BTF type ID of 'do_it': -3\nlibbpf: prog 'p': failed to prepare load attributes: -3\n":                                   "prog 'p': failed to find kernel BTF type ID of 'do_it': -3",
	} {
		r = ParseLog(text)
		assert.Equal(t, Loader, r.By, text)
		assert.Equal(t, want, r.Message)
		assert.NotEmpty(t, r.Errno)
	}

	// libbpf says in the log which field it did not find.
	r = ParseLog(`libbpf: prog 'p': BPF program load failed: Invalid argument
libbpf: prog 'p': -- BEGIN PROG LOAD LOG --
; seen = t->state; @ x.bpf.c:14
2: <invalid CO-RE relocation>
failed to resolve CO-RE relocation <byte_off> [14] struct task_struct.state (0:1 @ offset 8)
processed 3 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
-- END PROG LOAD LOG --
`)
	assert.Equal(t, "task_struct.state", r.Relocation)
	assert.Equal(t, Loader, r.By)
	assert.Contains(t, r.Message, "failed to resolve CO-RE relocation")
	assert.Equal(t, "EINVAL", r.Errno)
}

// Of a long log a report keeps what explains its end.
func TestTraceIsBounded(t *testing.T) {
	r := ParseLog(strings.Repeat("1: (b7) r0 = 0\n", 1000) + "R0 is bad\n")
	assert.Len(t, r.Log, 20)
	assert.Len(t, r.Trace, 200)
	assert.Equal(t, "R0 is bad", r.Trace[199])
	r = ParseLog(strings.Repeat("1: (b7) r0 = 0 ; "+strings.Repeat("x", 1000)+"\n", 1000) + "R0 is bad\n")
	assert.Less(t, len(strings.Join(r.Trace, "")), 33<<10)
	assert.NotEmpty(t, r.Trace)
}

// Verification time differs from load to load, wherever a kernel puts it.
func TestVerificationTime(t *testing.T) {
	r := ParseLog("1: (95) exit\nR0 !read_ok verification time 519 usec\nprocessed 2 insns (limit 1000000)\n")
	assert.Equal(t, "R0 !read_ok", r.Message)
	assert.NotContains(t, strings.Join(append(r.Log, r.Trace...), "\n"), "usec")
}

// A reason that is all a kernel says is said once.
func TestReasonOnce(t *testing.T) {
	r := ParseLog("1: (95) exit\nVerification failed: Policy: Not allowed\nReason:\n  It is so.\nAt:\n  insn 1\n")
	assert.Equal(t, "Policy: Not allowed: It is so.", r.Message)
	assert.NotContains(t, strings.Join(r.Log, "\n"), "It is so")
}

func TestSpeaker(t *testing.T) {
	assert.Equal(t, "verifier kernel loader", Verifier.String()+" "+Kernel.String()+" "+Loader.String())
}

func FuzzParseAnyLog(f *testing.F) {
	for _, text := range logsOf {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := ParseLog(text)
		if len(r.Log) > 20 || len(r.Trace) > 200 || r.Accepted && r.Message != "" {
			t.Fatalf("%+v", r)
		}
		if all := r.Message + r.Source + strings.Join(append(r.Log, r.Trace...), ""); !utf8.ValidString(all) {
			t.Fatalf("%q", all)
		}
	})
}
