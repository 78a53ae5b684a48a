// SPDX-License-Identifier: Apache-2.0

package survey

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

func accepted(program string, insns int) job.Loaded {
	return job.Loaded{Report: verifier.Report{Program: program, Accepted: true, Stats: verifier.Stats{Processed: insns, TotalStates: insns / 10, PeakStates: 2}}}
}

func rejected(program, message string) job.Loaded {
	return job.Loaded{Report: verifier.Report{Program: program, Message: message, Source: "a.bpf.c:3: return x;"}}
}

// two is two files on two kernels: one has two programs, the other does not compile.
func two(a0, a1, b0, b1 job.Loaded) Survey {
	return New([]string{"5.10", "6.12"}, []File{{Name: "dir/a.bpf.c", Note: "made so"}, {Name: "b.bpf.c", Broken: "b.bpf.c does not compile:\nb.bpf.c:1:1: error: no"}},
		[][]job.Object{{{Programs: []job.Loaded{a0, b0}}}, {{Programs: []job.Loaded{a1, b1}}}})
}

func text(t *testing.T, s Survey, columns int) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, s.Text(&out, columns))
	return out.String()
}

func TestText(t *testing.T) {
	s := two(accepted("first", 61), accepted("first", 5), rejected("second", "R0 !read_ok"), rejected("second", "R0 !read_ok"))
	out := text(t, s, 0)
	assert.Equal(t, `          5.10  6.12
dir/a.bpf.c
  first     61     5
  second    NO    NO

a number: accepted; the verifier has processed so many instructions
NO: rejected

dir/a.bpf.c: made so

dir/a.bpf.c: second
  5.10, 6.12: rejected: uninit-register
`, out[:strings.Index(out, "    verifier")])
	assert.Equal(t, 1, strings.Count(out, "what it means"), "equal rejections are told once")
	assert.Contains(t, out, "\nb.bpf.c does not compile:\n│ b.bpf.c:1:1: error: no\n")

	// Kernels that say it in other words mean the same.
	out = text(t, two(accepted("a", 1), accepted("a", 1), rejected("b", "R0 !read_ok"), rejected("b", "R2 !read_ok")), 0)
	assert.Equal(t, 1, strings.Count(out, "what it means"))
	assert.Contains(t, out, "  5.10: rejected: uninit-register\n    verifier: R0 !read_ok\n    at: a.bpf.c:3: return x;\n")
	assert.Contains(t, out, "  6.12: rejected: uninit-register\n    verifier: R2 !read_ok\n")
}

func TestVerdicts(t *testing.T) {
	none, lacks, lost := accepted("a", 3), job.Loaded{Lacks: `cannot be loaded by itself: SEC("x")`}, job.Loaded{Error: "the guest fell silent"}
	none.NoTarget = "this kernel has no tracepoint x/y"
	lacks.Program, lost.Program = "b", "a"
	s := two(none, lost, lacks, accepted("b", 7))
	out := text(t, s, 0)
	assert.Regexp(t, `(?m)^  a +none  ERROR$`, out)
	assert.Regexp(t, `(?m)^  b +- +7$`, out)
	for _, want := range []string{
		"none: accepted, but this kernel has nothing to attach it to", "-: cannot be loaded by itself", "ERROR: not judged",
		"  5.10: accepted, but this kernel has no tracepoint x/y\n", "  6.12: not judged: the guest fell silent\n", `  5.10: cannot be loaded by itself: SEC("x")` + "\n",
	} {
		assert.Contains(t, out, want)
	}
	sound, complete := s.Sound()
	assert.False(t, sound)
	assert.False(t, complete)

	s = New([]string{"k"}, []File{{Name: "a"}}, [][]job.Object{{{Programs: []job.Loaded{accepted("p", 1)}}}})
	sound, complete = s.Sound()
	assert.True(t, sound)
	assert.True(t, complete)
	s.Files[0].Programs[0].On[0] = none
	sound, complete = s.Sound()
	assert.False(t, sound, "it will never run")
	assert.True(t, complete)
	s.Files[0] = File{Broken: "it is broken"}
	sound, complete = s.Sound()
	assert.False(t, sound)
	assert.True(t, complete)
}

// A guest that failed has named no programs, and judged none.
func TestGuestFailed(t *testing.T) {
	s := New([]string{"5.10", "6.12"}, []File{{Name: "a"}}, [][]job.Object{{{Error: "it hung"}}, {{Programs: []job.Loaded{accepted("p", 1)}}}})
	require.Len(t, s.Files[0].Programs, 1)
	assert.Equal(t, NotJudged, VerdictOf(s.Files[0].Programs[0].On[0]))
	assert.Equal(t, Accepted, VerdictOf(s.Files[0].Programs[0].On[1]))

	s = New([]string{"5.10"}, []File{{Name: "a"}}, [][]job.Object{{{Error: "it hung"}}})
	assert.Contains(t, text(t, s, 0), "\na\n  5.10: not judged: it hung\n")
	_, complete := s.Sound()
	assert.False(t, complete)
}

func TestNothingToLoad(t *testing.T) {
	s := New([]string{"5.10"}, []File{{Name: "a"}, {Name: "b"}}, [][]job.Object{{{Broken: "bad magic"}, {}}})
	assert.Equal(t, "a cannot be read by cilium/ebpf, which loads programs here: bad magic\n\nb holds no program: a function is one by its SEC()\n", text(t, s, 0))
}

// Of a kind that is not known, the log is shown beside what can be said of any.
func TestUnknown(t *testing.T) {
	l := rejected("p", "the moon is full")
	l.By, l.Log = verifier.Kernel, []string{"0: (95) exit", "the moon is full"}
	out := text(t, New([]string{"k"}, []File{{Name: "a"}}, [][]job.Object{{{Programs: []job.Loaded{l}}}}), 0)
	assert.Contains(t, out, "  k: rejected: unknown\n    kernel: the moon is full\n    at: a.bpf.c:3: return x;\n    0: (95) exit\n    the moon is full\n    what it means: ")
}

// What others wrote is one line, in which nothing is hidden, and names give way to figures.
func TestTextFits(t *testing.T) {
	long := strings.Repeat("long", 30)
	a, b := accepted(long, 123456), rejected("\x1b[2J\nx: accepted", "R0 \x1b]0;!read_ok")
	out := text(t, two(a, a, b, b), 50)
	assert.NotContains(t, out, "\x1b")
	head, _, _ := strings.Cut(out, "\n\n")
	for line := range strings.Lines(head) {
		assert.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), 50)
	}
	assert.Contains(t, head, "…  123456  123456\n")
}

// A log of a kernel that nobody names says the same.
func TestLog(t *testing.T) {
	var out bytes.Buffer
	r := rejected("", "R0 !read_ok").Report
	require.NoError(t, Log(&out, r, 0, Detail{}))
	assert.Regexp(t, `^rejected: uninit-register\n  verifier: R0 !read_ok\n  at: a\.bpf\.c:3: return x;\n  what it means: .*\n  try: .*\n$`, out.String())
	out.Reset()
	require.NoError(t, Log(&out, accepted("p", 7).Report, 0, Detail{}))
	assert.Equal(t, "p: accepted; the verifier has processed 7 instructions\n", out.String())
}

func TestCSV(t *testing.T) {
	lost := job.Loaded{Error: "lost"}
	lost.Program = "second"
	s := two(accepted("first", 61), rejected("first", "no"), lost, accepted("second", 50))
	var out bytes.Buffer
	require.NoError(t, s.CSV(&out))
	assert.Equal(t, `kernel,file_name,prog_name,verdict,total_insns,total_states,peak_states,max_states_per_insn,max_mark_read_len,stack_depth
5.10,a.bpf.c,first,success,61,6,2,0,0,0
6.12,a.bpf.c,first,failure,0,0,0,0,0,0
6.12,a.bpf.c,second,success,50,5,2,0,0,0
`, out.String())

	rows, err := ReadCSV(&out)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	assert.Equal(t, Row{File: "a.bpf.c", Program: "first", Kernel: "5.10", Verdict: "success", Stats: verifier.Stats{Processed: 61, TotalStates: 6, PeakStates: 2}}, rows[0])

	// Of one kernel it is what veristat writes.
	s = New([]string{"5.10"}, []File{{Name: "a"}}, [][]job.Object{{{Programs: []job.Loaded{accepted("p", 1)}}}})
	out.Reset()
	require.NoError(t, s.CSV(&out))
	assert.Regexp(t, `^file_name,prog_name,verdict,total_insns`, out.String())
}

func TestReadCSVErrors(t *testing.T) {
	for text, want := range map[string]string{
		"": "expected a line of column names", "a,b\n1,2\n": `expected a column "file_name"`,
		"file_name,prog_name,verdict\na,b\n":                   "wrong number of fields",
		"file_name,prog_name,verdict,total_insns\na,b,c,ten\n": `line 2, total_insns: expected a number, found "ten"`,
	} {
		_, err := ReadCSV(strings.NewReader(text))
		assert.ErrorContains(t, err, want)
	}
	rows, err := ReadCSV(strings.NewReader("file_name,prog_name,verdict,duration,total_insns\na,b,failure,17,N/A\n"))
	require.NoError(t, err, "veristat's own columns, and what it writes for a figure that it lacks")
	assert.Zero(t, rows[0].Processed)
}

func TestCompare(t *testing.T) {
	s := two(accepted("first", 60), accepted("first", 60), rejected("second", "no"), accepted("second", 50))
	old := s.Rows()
	compare := func(old []Row) string {
		var out bytes.Buffer
		require.NoError(t, s.Compare(&out, old))
		return out.String()
	}
	assert.Equal(t, "4 of 4 programs on kernels as before\n", compare(old[:4]))

	old[0].Processed, old[1].TotalStates, old[2].Verdict = 50, 0, "success"
	old[3].Program = "renamed"
	assert.Equal(t, `program           kernel  verdict            insns             states
a.bpf.c: first    5.10    success            50 → 60 (+20.0%)  6
a.bpf.c: first    6.12    success            60                0 → 6 (new)
a.bpf.c: renamed  6.12    gone
a.bpf.c: second   5.10    success → failure  0                 0
a.bpf.c: second   6.12    new: success       50                5

0 of 4 programs on kernels as before
`, compare(old[:4]))

	// veristat knows no kernels: its file is compared with the one that there is.
	s = New([]string{"5.10"}, []File{{Name: "a"}}, [][]job.Object{{{Programs: []job.Loaded{accepted("p", 10)}}}})
	assert.Equal(t, "1 of 1 programs on kernels as before\n", compare([]Row{{File: "x/a", Program: "p", Verdict: "success", Stats: verifier.Stats{Processed: 10, TotalStates: 1}}}))
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, two(accepted("first", 61), accepted("first", 5), rejected("second", "R0 !read_ok"), rejected("second", "R0 !read_ok")).JSON(&out))
	var got struct{ Programs []Row }
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.Len(t, got.Programs, 6)
	assert.Equal(t, 61, got.Programs[0].Processed)
	assert.Equal(t, "uninit-register", got.Programs[2].Kind)
	assert.NotEmpty(t, got.Programs[2].Meaning)
	assert.Equal(t, "failure", got.Programs[2].Verdict)
	assert.EqualValues(t, "broken", got.Programs[4].Outcome)
	assert.Contains(t, got.Programs[5].Message, "does not compile")
}
