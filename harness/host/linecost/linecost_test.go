// SPDX-License-Identifier: Apache-2.0

package linecost

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/inspect"
	"bpflab/harness/host/runcost"
	"bpflab/harness/host/survey"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// code is machine code, of which the parts of instructions are named below.
var code = []byte{
	0x55,             //  0 push rbp: a prologue
	0x48, 0x89, 0xe5, //  1 mov rbp, rsp
	0x31, 0xc0, // 4 xor eax, eax: R0 = 0 behind an entry
	0xe8, 0, 0, 0, 0, // 6 call
	0x48, 0x85, 0xf6, // 11 test rsi, rsi: a load that may fault
	0x75, 0x05, // 14 jne +5, over the next two
	0x31, 0xff, // 16 xor edi, edi
	0x90, 0xeb, 0x00, // 18 nop; jmp +0
	0x8b, 0x3e, // 21 mov edi, [rsi]
	0xeb, 0x01, // 23 jmp +1: an exit that shares another's end
	0x90,       // 25
	0xc9, 0xc3, // 26 leave; ret
}

func TestLength(t *testing.T) {
	for _, tt := range []struct {
		name           string
		from, to, want int
		exits          bool
	}{
		{"a prologue", 0, 4, 2, false}, {"a call", 6, 11, 1, false}, {"the usual way of a load", 11, 23, 3, false},
		{"an exit that jumps", 23, 25, 3, true}, {"an exit", 26, 28, 2, true}, {"a jump that is one of BPF", 23, 25, 1, false},
		{"nothing", 6, 6, 0, false}, {"before the code", -1, 4, 0, false}, {"behind it", 28, 30, 0, true},
	} {
		assert.Equal(t, tt.want, length(code, tt.from, tt.to, tt.exits), tt.name)
	}
	assert.Equal(t, 2, length([]byte{0xf3, 0x0f, 0x1e, 0xfa, 0xc3}, 0, 5, true), "endbr64")
	assert.Equal(t, 2, length([]byte{0xc4, 0xe2, 0xf9, 0xf7, 0xff, 0xc3}, 0, 6, true), "shlx")
	assert.Equal(t, 0, length([]byte{0x06}, 0, 1, false), "no instruction of this machine")
	assert.Equal(t, 1, length([]byte{0xeb, 0xfe}, 0, 2, false), "a jump back is none within")
	assert.Positive(t, length([]byte{0xeb, 0xfe}, 0, 2, true), "an exit that jumps to itself ends")
}

// two is a program "p" of two lines and a function "f" of one line, run ten times.
func two() job.Loaded {
	return job.Loaded{
		Report: verifier.Report{Program: "p", Accepted: true}, Type: "XDP",
		Runs: []job.FrameRun{{Cost: 30}, {Cost: 31}},
		Profile: &job.Profile{
			Runs: 10, Executed: []uint64{4, 9}, Files: []string{"./a.bpf.c", "b.h"}, Functions: []string{"p", "f"}, Code: code, Empty: code[26:],
			Lines: []job.SourceLine{{File: 0, Number: 7, Text: "\tx = helper();"}, {File: 0, Number: 5, Text: "int p()\t{"}, {File: 1, Number: 3, Text: "  return x;"}},
			Insns: []job.Instruction{
				{Text: "Call FnKtimeGetNs", Line: 0, Count: 10, Helper: 5, Timed: true, Time: 200, Entry: 0, From: 6, To: 11},
				{Text: "Ldx", Line: 1, Count: 5, Entry: 11, From: 11, To: 23},
				{Text: "Call f", Line: 0, Calls: 2, Count: 20, Entry: 6, From: 6, To: 11},
				{Text: "Call kf", Line: 1, Kfunc: "bpf_strstr", Count: 5, Entry: 6, From: 6, To: 11},
				{Text: "removed", Line: 1, Count: 7},
				{Text: "Exit", Line: 1, Count: 10, Entry: 23, From: 23, To: 25},
				{Text: "Exit", Line: 2, Function: 1, Count: 20, Entry: 26, From: 26, To: 28},
			},
		},
	}
}

func TestOf(t *testing.T) {
	p, err := Of(two())
	require.NoError(t, err)
	require.Len(t, p.Lines, 3)
	entry, first, function := p.Lines[0], p.Lines[1], p.Lines[2]
	assert.Equal(t, Line{File: "./a.bpf.c", Number: 5, Text: "int p()\t{", Function: "p", Runs: 1, Own: 0.5*3 + 0.5*1 + 3}, entry, "by number, though it is later in the program")
	assert.Equal(t, 2.0, first.Runs, "that of its instruction which runs most often")
	assert.Equal(t, 2.0+2, first.Own, "the prologue, without what stands between, and two calls of f")
	assert.Equal(t, []Call{{"bpf_ktime_get_ns", "a.bpf.c:7", 1, 20}}, first.Calls)
	assert.Equal(t, 4.0, function.Own)
	assert.Equal(t, []Call{{"bpf_strstr", "a.bpf.c:5", 0.5, 0}}, p.Untimed)
	assert.Equal(t, 30.5, p.Total)
	assert.True(t, p.Measured)
	assert.Equal(t, 2.0, p.Empty)
	assert.InDelta(t, 30.5+2-5-24-4, p.Remainder(), 1e-9)
	assert.Equal(t, 1, p.Longest)
	assert.EqualValues(t, 9, p.Most)
	assert.Equal(t, []string{"a.bpf.c:7: 24, for bpf_ktime_get_ns", "a.bpf.c:5: 5"}, p.Expensive(2, 0.1))
	assert.Len(t, p.Expensive(2, 0.5), 1)

	submission := two()
	submission.Runs = nil
	p, err = Of(submission)
	require.NoError(t, err)
	assert.False(t, p.Measured)
	assert.InDelta(t, 0, p.Remainder(), 1e-9)
	assert.InDelta(t, 5+24+4-2, p.Total, 1e-9)
}

// An object without line information has a line for each instruction.
func TestOfNoLines(t *testing.T) {
	l := two()
	for i := range l.Profile.Insns {
		l.Profile.Insns[i].Line = -1
	}
	p, err := Of(l)
	require.NoError(t, err)
	assert.Len(t, p.Lines, 7)
	assert.Equal(t, "Ldx", p.Lines[1].Text)
	assert.Contains(t, text(t, Options{}, l), "by instruction: the object has no line information")
}

func TestOfNothing(t *testing.T) {
	for want, change := range map[string]func(*job.Loaded){
		"it was not run": func(l *job.Loaded) { l.Profile = nil }, "too large": func(l *job.Loaded) { l.Profile = &job.Profile{Error: "too large"} },
		"the copy that counts did not run": func(l *job.Loaded) { l.Profile.Runs = 0 },
	} {
		l := two()
		change(&l)
		_, err := Of(l)
		assert.EqualError(t, err, want)
	}
	for name, change := range map[string]func(*job.Profile){
		"nothing": func(p *job.Profile) { p.Insns = nil }, "line": func(p *job.Profile) { p.Insns[1].Line = 3 }, "line below": func(p *job.Profile) { p.Insns[1].Line = -2 }, "file": func(p *job.Profile) { p.Lines[0].File = 2 },
		"function": func(p *job.Profile) { p.Insns[1].Function = 2 }, "begin": func(p *job.Profile) { p.Insns[1].Entry = -1 }, "end": func(p *job.Profile) { p.Insns[1].To = 29 },
		"order": func(p *job.Profile) { p.Insns[1].To = 10 }, "entry": func(p *job.Profile) { p.Insns[1].From = 10 }, "a file below": func(p *job.Profile) { p.Lines[0].File = -1 },
	} {
		l := two()
		change(l.Profile)
		_, err := Of(l)
		assert.ErrorIs(t, err, errGarbled, name)
	}
}

// FuzzOf: whatever a guest reports is a profile or an error.
func FuzzOf(f *testing.F) {
	raw, err := json.Marshal(two())
	require.NoError(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var l job.Loaded
		if json.Unmarshal(raw, &l) != nil {
			return
		}
		c := costsOf(l)
		for _, write := range []func(*bytes.Buffer) error{
			func(b *bytes.Buffer) error { return Text(b, c, Options{}) }, func(b *bytes.Buffer) error { return Lcov(b, c) },
		} {
			require.NoError(t, write(new(bytes.Buffer)))
		}
		_ = Pprof(new(bytes.Buffer), c) // strings that are no UTF-8 are refused
		_ = JSON(new(bytes.Buffer), c)  // as are numbers that are none
	})
}

// costsOf is a survey of one program on a kernel for each.
func costsOf(on ...job.Loaded) runcost.Costs {
	c := runcost.Costs{Input: "some mix", Frames: []string{"ARP", "UDP"}}
	c.Kernels = []string{"5.10", "6.12"}[:len(on)]
	c.Files = []survey.File{{Name: "dir/a.bpf.c", Programs: []survey.Program{{Name: "p", On: on}}}}
	return c
}

func text(t *testing.T, o Options, on ...job.Loaded) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Text(&out, costsOf(on...), o))
	return out.String()
}

func TestText(t *testing.T) {
	l := two()
	l.Profile.Differs = 3
	out := text(t, Options{}, l)
	for _, want := range []string{
		`(?m)^dir/a\.bpf\.c: p$`, `(?m)^ +runs +own +calls +%$`, `(?m)^ +1\.00 +5\.0 +15  5  int p\(\) +\{$`, `(?m)^ +2\.00 +4\.0 +20\.0 +74  7 +x = helper\(\);$`,
		`(?m)^ +b\.h$`, `(?m)^ +-2\.0 +less what an empty program costs$`, `(?m)^ +-0\.5 +remainder$`, `(?m)^ +30\.5 +cost of a run, over an empty program$`,
		`are the mean of 2 frames: some mix`, `bpf_ktime_get_ns, a\.bpf\.c:7: 20\.0 a run, called 1\.00 times`,
		`5\.10: the remainder has the cost of bpf_strstr`, `5\.10: on 3 frames the copy that counts returned something else`,
	} {
		assert.Regexp(t, want, out)
	}

	assert.NotContains(t, out, "longest path")
	path := inspect.Count{Most: 12}
	o := Options{Path: func(file, program string) inspect.Count {
		assert.Equal(t, "dir/a.bpf.c p", file+" "+program)
		return path
	}}
	assert.Contains(t, text(t, o, l), "  longest path through the program: 12 BPF instructions; longest that was taken: 9, by frame 2 (UDP)\n")
	path.Bound = "a loop"
	assert.Contains(t, text(t, o, l), "program: without a static bound (a loop); longest")

	out = text(t, Options{}, two(), two())
	assert.Regexp(t, `(?m)^ +runs +5\.10 +6\.12$`, out)
	assert.Regexp(t, `(?m)^ +2\.00 +24\.0 +24\.0  7 `, out)
	assert.Regexp(t, `(?m)^ +-0\.5 +-0\.5  remainder$`, out)

	rejected := job.Loaded{Report: verifier.Report{Program: "p", Message: "R0 !read_ok"}}
	out = text(t, Options{}, two(), rejected)
	assert.Contains(t, out, "  6.12: rejected: R0 !read_ok; bpflab explain says more\n")
	assert.Contains(t, out, "own", "one kernel is left")

	submission := two()
	submission.Runs = nil
	out = text(t, Options{}, submission)
	assert.Contains(t, out, "all figures are of a run some mix\n")
	assert.NotContains(t, out, "remainder\n")
	events := two()
	events.Runs, events.Profile.Executed, events.Events = nil, nil, &job.EventRuns{Count: 4, Cost: 30}
	assert.Contains(t, text(t, Options{}, events), "the events that system calls")

	broken := costsOf()
	broken.Files = []survey.File{{Broken: "no object"}}
	var b bytes.Buffer
	require.NoError(t, Text(&b, broken, Options{}))
	assert.Equal(t, "no object\n", b.String())
}

// Of a long program only lines that matter are shown.
func TestTextLong(t *testing.T) {
	l := two()
	for n := range 60 {
		l.Profile.Lines = append(l.Profile.Lines, job.SourceLine{Number: 100 + n, Text: "cheap"})
		l.Profile.Insns = append(l.Profile.Insns, job.Instruction{Line: 3 + n, Count: 1, Entry: 6, From: 6, To: 11})
	}
	out := text(t, Options{}, l)
	assert.Contains(t, out, "60 lines that cost less than 1% each are left out, 18.5% together: --all shows them")
	assert.NotContains(t, out, "cheap")
	assert.Equal(t, 60, strings.Count(text(t, Options{All: true}, l), "cheap"))
}

func TestTextFits(t *testing.T) {
	for _, columns := range []int{50, 80} {
		table, _, _ := strings.Cut(text(t, Options{Columns: columns}, two(), two()), "\n\n")
		for line := range strings.Lines(table) {
			assert.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), columns)
		}
	}
}

func TestFormats(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Lcov(&out, costsOf(two(), two())))
	assert.Equal(t, "TN:\nSF:dir/a.bpf.c\nDA:5,20\nDA:7,40\nLF:2\nLH:2\nend_of_record\nTN:\nSF:dir/b.h\nDA:3,40\nLF:1\nLH:1\nend_of_record\n", out.String())

	out.Reset()
	require.NoError(t, Pprof(&out, costsOf(two())))
	p, err := profile.Parse(&out)
	require.NoError(t, err)
	got := map[string][]int64{}
	for _, s := range p.Sample {
		way := ""
		for _, l := range s.Location {
			way += " " + l.Line[0].Function.Name
		}
		got[strings.TrimSpace(way)] = append(got[strings.TrimSpace(way)], s.Value...)
		assert.Equal(t, []string{"5.10"}, s.Label["kernel"])
	}
	assert.Equal(t, map[string][]int64{"bpf_ktime_get_ns p": {10, 200}, "p": {20, 40, 10, 50}, "f p": {20, 40}}, got)
	assert.Equal(t, "dir/a.bpf.c", p.Function[0].Filename)

	out.Reset()
	require.NoError(t, JSON(&out, costsOf(two(), job.Loaded{Report: verifier.Report{Message: "no"}})))
	for _, want := range []string{`"total": 30.5`, `"remainder": -0.5`, `"cost": null`, `"cost": 20`, `"why": "rejected: no; bpflab explain says more"`, `"outcome": "rejected"`} {
		assert.Contains(t, out.String(), want)
	}
}

// A function that is called from two places has a stack for each, in proportion.
func TestStacks(t *testing.T) {
	l := two()
	l.Profile.Insns[1] = job.Instruction{Text: "Call f", Line: 1, Calls: 2, Count: 60, Entry: 6, From: 6, To: 11}
	var out bytes.Buffer
	require.NoError(t, Pprof(&out, costsOf(l)))
	p, err := profile.Parse(&out)
	require.NoError(t, err)
	var counts []int64
	for _, s := range p.Sample {
		if s.Location[0].Line[0].Function.Name == "f" {
			counts = append(counts, s.Value[0])
		}
	}
	assert.Equal(t, []int64{15, 5}, counts)
}

func TestProfiled(t *testing.T) {
	profiled, complete := Profiled(costsOf(two()))
	assert.True(t, profiled && complete)
	not := two()
	not.Profile = &job.Profile{Error: "too large"}
	profiled, complete = Profiled(costsOf(two(), not))
	assert.False(t, profiled)
	assert.True(t, complete)
	_, complete = Profiled(costsOf(job.Loaded{Error: "lost"}))
	assert.False(t, complete)
	broken := costsOf(two())
	broken.Files = append(broken.Files, survey.File{Broken: "no object"})
	profiled, _ = Profiled(broken)
	assert.False(t, profiled)
}

func TestPathOf(t *testing.T) {
	for file, want := range map[string]string{"././x.bpf.c": "dir/x.bpf.c", "/src/a.h": "/src/a.h", "../a.h": "a.h", "y/x.bpf.c": "dir/x.bpf.c"} {
		assert.Equal(t, want, pathOf("dir/x.bpf.c", file))
	}
}
