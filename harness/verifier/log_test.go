// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func recorded(t testing.TB, name string) []string {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return strings.Split(string(raw), "\n")
}

func TestParseStats(t *testing.T) {
	tests := []struct {
		name, log string
		want      Stats
	}{
		{"all", "verification time 519 usec\nstack depth 8+16\nprocessed 31 insns (limit 1000000) max_states_per_insn 1 total_states 3 peak_states 2 mark_read 4\n",
			Stats{31, 1_000_000, 1, 3, 2, 4, 24}},
		{"no mark_read", "stack depth 8\nprocessed 31 insns (limit 1000000) max_states_per_insn 1 total_states 3 peak_states 2",
			Stats{31, 1_000_000, 1, 3, 2, 0, 8}},
		{"more after the depth", "stack depth 8+16 max 24\nprocessed 5 insns", Stats{Processed: 5, StackDepth: 24}},
		{"a line for each function", "stack depth max 16\nsubprog 0 (p) main insns_self 20 insns_total 31 stack 8\nsubprog 1 (f) static insns_self 11 insns_total 11 stack 16\nprocessed 31 insns",
			Stats{Processed: 31, StackDepth: 24}},
		{"none", "", Stats{}},
		{"cut", "stack depth\nprocessed", Stats{}},
		{"cut behind a blank", "stack depth \nprocessed ", Stats{}},
		{"of two programs, the last", "stack depth 8+16\nprocessed 5 insns\nstack depth 8\nprocessed 7 insns", Stats{Processed: 7, StackDepth: 8}},
		{"senseless", "stack depth 9999999999+-1\nprocessed -1 insns (limit x)", Stats{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, parseStats(strings.Split(tt.log, "\n")))
		})
	}
}

// rejected-6.18.log and rejected-7.3.log were recorded. rejected-5.10.log is the same program in
// 5.10's format, which marks registers otherwise and has no line numbers.
func TestParseRejection(t *testing.T) {
	tests := []struct {
		log  []string
		want rejection
	}{
		{recorded(t, "rejected-5.10.log"), rejection{
			message: "invalid access to packet, off=4 size=1, R6(id=0,off=4,r=4): R6 offset is outside of the packet",
			insn:    7, source: "return d[4];"}},
		{recorded(t, "rejected-6.18.log"), rejection{
			message: "invalid access to packet, off=4 size=1, R6(id=0,off=4,r=4): R6 offset is outside of the packet",
			insn:    16, source: "pkt.c:8: return d[4]; }"}},
		{recorded(t, "rejected-7.3.log"), rejection{
			message: "Unreleased reference id=2 alloc_insn=4: BPF_EXIT instruction in main prog would lead to reference leak",
			insn:    15, source: "reference-leak.bpf.c:27: if (e->pid == 1)"}},
		{[]string{"2: (05) goto pc-1", "infinite loop detected at insn 2", "cur state: R10=fp0", "old state: R10=fp0"}, rejection{
			message: "infinite loop detected at insn 2", insn: 2}},
		{[]string{"Verification failed: Policy: Not allowed", "Reason:", "  Because", "  it is so.", "At:", "  insn 0"}, rejection{
			message: "Policy: Not allowed: Because it is so.", insn: -1}},
		{[]string{"back-edge from insn 5 to 3", "processed 0 insns (limit 1000000)"}, rejection{
			message: "back-edge from insn 5 to 3", insn: 5}},
		{[]string{"R1 type=ctx expected=fp"}, rejection{message: "R1 type=ctx expected=fp", insn: -1}},
		{[]string{"12: (95) exit", "R0 !read_ok"}, rejection{message: "R0 !read_ok", insn: 12}},
		// Of a chain of reasons the last three.
		{[]string{"3: (95) exit", "one", "two", "three", "four"}, rejection{message: "two: three: four", insn: 3}},
		// Line 0 is no place in a file.
		{[]string{"; return 0; @ pkt.c:0", "4: (95) exit", "R0 !read_ok"}, rejection{message: "R0 !read_ok", insn: 4, source: "return 0;"}},
		{[]string{"; return 0; @ pkt.c:10", "4: (95) exit", "R0 !read_ok"}, rejection{message: "R0 !read_ok", insn: 4, source: "pkt.c:10: return 0;"}},
		// A kernel may print the source before the instruction or after it. The last line counts.
		{[]string{"3: (95) exit", "; first @ pkt.c:1", "; \tsecond  @ pkt.c:2", "R0 !read_ok"}, rejection{message: "R0 !read_ok", insn: 3, source: "pkt.c:2: second"}},
		// What follows a message, and is empty or a figure, is no part of it.
		{[]string{"3: (95) exit", "R0 !read_ok", " \t", "verification time 5 usec", "stack depth 8", "processed 4 insns"}, rejection{message: "R0 !read_ok", insn: 3}},
		// A name in an object may be any bytes, a receipt's text may not.
		{[]string{"5: (95) exit", "func \xff#1 is bad"}, rejection{message: "func ?#1 is bad", insn: 5}},
		{[]string{"Verification failed: Policy: \xff", "Reason:", "  \xff is no name."}, rejection{message: "Policy: ?: ? is no name.", insn: -1}},
		{nil, rejection{insn: -1}},
	}
	for _, tt := range tests {
		got := parseRejection(tt.log)
		assert.Equal(t, tt.want.message, got.message)
		assert.Equal(t, tt.want.insn, got.insn, got.message)
		assert.Equal(t, tt.want.source, got.source, got.message)
		all := strings.Join(got.tail, "\n")
		assert.True(t, utf8.ValidString(all), "%q", all)
		assert.NotContains(t, all, "usec")
		assert.NotRegexp(t, `= 0xff[0-9a-f]{14}`, all, "addresses differ from load to load")
	}
}

// Of a long log the last 20 lines are shown: enough to see the way to the rejection, and no more.
func TestParseRejectionTail(t *testing.T) {
	var log []string
	for i := range 25 {
		log = append(log, fmt.Sprintf("%d: (b7) r0 = 0", i))
	}
	assert.Equal(t, log[5:], parseRejection(log).tail)
	assert.Equal(t, log[:7], parseRejection(log[:7]).tail)
}

func FuzzParseLog(f *testing.F) {
	for _, name := range []string{"rejected-5.10.log", "rejected-6.18.log", "rejected-7.3.log"} {
		f.Add(strings.Join(recorded(f, name), "\n"))
	}
	f.Fuzz(func(t *testing.T, log string) {
		lines := strings.Split(log, "\n")
		parseStats(lines)
		r := parseRejection(lines)
		if len(r.tail) > 20 || r.insn < -1 {
			t.Fatalf("got %+v", r)
		}
	})
}

// What Linux 7.3 adds to its words is left out of them, and its reason comes last.
func TestReport(t *testing.T) {
	r := parseRejection(recorded(t, "rejected-7.3.log"))
	all := strings.Join(r.tail, "\n")
	assert.Contains(t, all, "Unreleased reference id=2 alloc_insn=4\nBPF_EXIT instruction in main prog would lead to reference leak\n")
	assert.Equal(t, "Resource Lifetime Safety: Unreleased resource: Owned resource (id=2) was acquired at instruction 4 and still needs to be released before this exit path.", r.tail[len(r.tail)-1])
	assert.Contains(t, all, "15: (95) exit\n")
	assert.NotContains(t, all, "Source context")
	assert.NotContains(t, all, "insns_self")
}

// Of a log that is too long the beginning and, above all, the end are kept.
func TestCut(t *testing.T) {
	lines := strings.Split(strings.Repeat("123456\n", 100), "\n")[:100]
	assert.Equal(t, &Log{Lines: lines}, cut(lines, 1000))
	l := cut(lines, 999)
	assert.Equal(t, 1, l.Cut)
	assert.Len(t, l.Lines, 99)
	assert.Equal(t, 24, l.At)
	l = cut(lines, 100)
	assert.Equal(t, &Log{Lines: lines[:10], Cut: 90, At: 2}, l)
	assert.Equal(t, "… 90 lines are left out here …", l.Text()[2])
	assert.Len(t, l.Text(), 11)
	assert.Empty(t, cut(lines, 0).Lines)
	assert.Equal(t, 100, cut(lines, 0).Cut)
	assert.False(t, l.Equal(nil))
	assert.False(t, l.Equal(cut(lines, 101+9)))
	assert.True(t, l.Equal(cut(lines, 100)))
}

// A whole log has the report of Linux 7.3 and the figures, without which it is a path.
func TestWhole(t *testing.T) {
	raw, err := os.ReadFile("testdata/rejected-7.3.log")
	require.NoError(t, err)
	r := ParseLog(string(raw))
	require.NotNil(t, r.Whole)
	text := strings.Join(r.Whole.Lines, "\n")
	assert.Contains(t, text, "Causal path:")
	assert.Contains(t, text, "processed ")
	assert.NotContains(t, text, "usec")
	assert.NotRegexp(t, `0xff[0-9a-f]{14}`, text)
	path := strings.Join(r.Whole.Path(), "\n")
	assert.NotContains(t, path, "Causal path:")
	assert.NotContains(t, path, "processed ")
	assert.Contains(t, path, "15: (95) exit\nUnreleased reference id=2 alloc_insn=4")
	assert.Nil(t, ParseLog("R0 !read_ok").Whole)
}

// A note on the program's own parameter is no part of a verdict that comes later, of a function's it is.
func TestNoteIsNoVerdict(t *testing.T) {
	for _, note := range []string{"Unrecognized arg#0 type PTR", "arg#0 reference type('UNKNOWN ') size cannot be determined: -22", "reg type unsupported for arg#0 function program#1"} {
		assert.Equal(t, "BPF program is too large. Processed 1000001 insn", parseRejection([]string{note, "BPF program is too large. Processed 1000001 insn"}).message)
		assert.Equal(t, note+": Caller passes invalid args into func#1 ('f')", parseRejection([]string{note, "Caller passes invalid args into func#1 ('f')"}).message)
		assert.Equal(t, note, parseRejection([]string{note}).message)
	}
}

// What is said of a branch may follow it on its line, and so may the states after it, and a time any word.
func TestSaidOfBranch(t *testing.T) {
	r := parseRejection([]string{"0: (b7) r0 = 0 ; R0=0", "1: (15) if r1 == 0x0 goto pc-1 1: R0=0 R1=ctx()", "1: (15) if r1 == 0x0 goto pc-1 infinite loop detected at insn 1", "cur state: R0=0"})
	assert.Equal(t, "infinite loop detected at insn 1", r.message)
	assert.Equal(t, []string{"1: (15) if r1 == 0x0 goto pc-1 1: R0=0 R1=ctx()", "1: (15) if r1 == 0x0 goto pc-1", "infinite loop detected at insn 1", "cur state: R0=0"}, r.trace[1:])
	assert.Equal(t, "expected prog array map for tail call", parseRejection([]string{"3: (85) call bpf_tail_call#12", "expected prog array map for tail callverification time 72 usec"}).message)
}
