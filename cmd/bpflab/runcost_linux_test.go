// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// benched are costs as bpflab bench writes them for programs.
type benched struct {
	Programs []struct {
		File    string `json:"file_name"`
		Program string `json:"prog_name"`
		Kernels []struct {
			Kernel string
			Mean   float64
			Count  int
		}
	}
}

// bench runs the command and returns how it ended and what it wrote.
func bench(t *testing.T, args ...string) (int, string) {
	t.Helper()
	return benchOn(t, matrix(), args...)
}

func benchOn(t *testing.T, kernels []string, args ...string) (int, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), &stdout, &stderr, append([]string{"bench", "--cache", sharedCache(t), "--kernels", strings.Join(kernels, ",")}, args...))
	assert.Empty(t, stderr.String())
	return code, stdout.String()
}

// Test runs cost what the lab measures on a network, but for what its empty program does more than none, one
// instruction, and for what a map's update finds of the memory that other updates gave back; and they cost the same each
// time, whatever else the machine does and whatever runs before.
func TestBench(t *testing.T) {
	names, from := priced(t)
	text, err := os.ReadFile(costsGolden)
	require.NoError(t, err)
	golden := parseCosts(t, string(text))
	var files []string
	for _, name := range names {
		files = append(files, filepath.Join(from[name], "counter.bpf.c"))
	}
	code, out := bench(t, append(files, "--format", "json")...)
	require.Equal(t, exitPassed, code)
	var got benched
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Len(t, got.Programs, len(names))
	for i, p := range got.Programs {
		for _, on := range p.Kernels {
			assert.Equal(t, 256, on.Count)
			want := golden.costs[on.Kernel][names[i]].Drop
			assert.InDelta(t, want+1, on.Mean, 1+0.05*want, "%s on Linux %s", names[i], on.Kernel)
		}
	}

	traced := filepath.Join(clone(t), "solutions/lab12_2/events.bpf.c")
	code, quiet := bench(t, traced, "--format", "json")
	require.Equal(t, exitPassed, code)

	busy(t)
	code, loaded := bench(t, traced, "--format", "json")
	require.Equal(t, exitPassed, code)
	assert.Equal(t, quiet, loaded, "a program that runs at events, under load")
	one := files[len(files)-1]
	code, again := bench(t, one, "--format", "json")
	require.Equal(t, exitPassed, code)
	var alone benched
	require.NoError(t, json.Unmarshal([]byte(again), &alone))
	assert.Equal(t, got.Programs[len(names)-1].Kernels, alone.Programs[0].Kernels, "alone, under load")
}

func TestBenchCommand(t *testing.T) {
	two := filepath.Join(t.TempDir(), "two.bpf.c")
	require.NoError(t, os.WriteFile(two, []byte(twoPrograms), 0o644))
	code, out := bench(t, two)
	assert.Equal(t, exitFailed, code)
	for _, want := range []string{`(?m)^  good +0\.0`, `(?m)^  loops +NO`, `(?m)^  nowhere +-`, `untyped\n  .*: cannot be loaded by itself`, `the mean of 256 frames: bpflab's mix`} {
		assert.Regexp(t, want, out)
	}
	code, out = bench(t, filepath.Join(clone(t), "solutions/lab12_2/events.bpf.c"))
	assert.Equal(t, exitPassed, code)
	assert.Regexp(t, `(?m)^  on_syscall +\d+\.\d`, out)
	assert.Contains(t, out, "of programs that run at events")

	code, out = bench(t, filepath.Join(solution(t), "counter.bpf.c"), "--against", filepath.Join(starter(t), "counter.bpf.c"))
	assert.Equal(t, exitPassed, code)
	assert.Regexp(t, `(?m)^count_packets\n  before +\d{3}\.\d.*\n  after +\d{2}\.\d.*\n  difference +-\d{3}\.\d`, out)
	var benchmarks, notes bytes.Buffer // of a file that is no program
	notext := filepath.Join(t.TempDir(), "notes.txt")
	require.NoError(t, os.WriteFile(notext, []byte("hello"), 0o644))
	assert.Equal(t, exitFailed, run(t.Context(), &benchmarks, &notes, []string{"bench", "--cache", t.TempDir(), notext, "--format", "go"}))
	assert.Contains(t, notes.String(), "is neither C source (*.c) nor a BPF object")
	assert.Equal(t, "Unit insns/op assume=exact better=lower\n", benchmarks.String())
	code, out = bench(t, filepath.Join(solution(t), "counter.bpf.c"), "--format", "go")
	assert.Equal(t, exitPassed, code)
	assert.Regexp(t, `^Unit insns/op assume=exact better=lower\nBenchmarkBPF/count_packets/kernel=\S+\t256\t\d+\.\d insns/op\n`, out)

	// Programs that run on a context, or at events of all kinds; a map with content.
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	eight, entries := write("eight", "\x01\x00\x00\x00\x07\x00\x00\x00"), write("entries.json", `[{"key": 7, "value": ["0x01"]}]`)
	triggers := "testdata/bench/triggers.bpf.c"
	code, out = benchOn(t, matrix()[:1], triggers)
	assert.Equal(t, exitPassed, code, out)
	for _, name := range []string{"connects", "creates", "devices", "enters", "options", "samples", "sends", "ends", "switches", "sysctls", "opens"} {
		assert.Regexp(t, `(?m)^  `+name+`( +4\.0)+$`, out, "sum++ is four instructions")
	}
	assert.Regexp(t, `(?m)^  tasks( +\d+\.\d)+$`, out)
	assert.Regexp(t, `(?m)^  looks_up( +7\.0)+$`, out)
	assert.Contains(t, out, "of programs that take a context, a run on a TCP connection to port 80 (sk_lookup) or zeros (syscall)")

	calls := "testdata/bench/context.bpf.c" // from 5.14
	code, out = benchOn(t, []string{"6.12"}, calls, "--ctx", eight)
	assert.Equal(t, exitPassed, code, out)
	assert.Regexp(t, `(?m)^  called +\d+\.\d$`, out)
	_, full := benchOn(t, []string{"6.12"}, calls, "--ctx", eight, "--map", "known="+entries)
	assert.NotEqual(t, out, full, "with an entry the program takes another way")
	code, out = benchOn(t, []string{"6.12"}, calls, "--ctx", write("one", "x"), "--map", "known="+entries)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, out, "the kernel refuses a context of 1 bytes for this program")
	for name, want := range map[string]string{"none": "--map none: no object has a map of this name", ".bss": "expected at most 1 entries, found 8"} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(t.Context(), &stdout, &stderr, []string{"bench", "--cache", sharedCache(t), "--kernels", "6.12", calls, "--map", name + "=" + entries}))
		assert.Contains(t, stderr.String(), want)
	}

	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{two, "--ctx", "none"}, "no such file"}, {[]string{two, "--ctx", write("empty", "")}, "expected a context of 1 to 65535 bytes"},
		{[]string{two, "--map", "x"}, "expected NAME=FILE"}, {[]string{two, "--map", "x=" + eight}, "expected a JSON list"},
		{[]string{two, "--map", "x=" + entries, "--map", "x=" + entries}, "each NAME once"},
		{[]string{two, "--against", two, "--by-frame"}, "leave --format and --by-frame out"},
		{[]string{"none.o"}, "none.o: no such file"}, {[]string{two, "--format", "xml"}, "expected text, json or go"}, {[]string{two, "--against", two, "--format", "go"}, "leave --format and --by-frame out"},
		{[]string{two, "--packets", two}, "expected a capture, pcap or pcapng"}, {[]string{two, "--packets", "none"}, "no such file"}, {[]string{two, "--against", "none"}, "no such file"},
	} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(t.Context(), &stdout, &stderr, append([]string{"bench", "--cache", t.TempDir()}, tt.args...)), tt.args)
		assert.Contains(t, stderr.String(), tt.want)
	}
}

// Text fits a terminal; what is for programs is not broken into lines.
func TestBenchOnTerminal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes.txt") // no program, so that no guest is needed
	require.NoError(t, os.WriteFile(file, []byte("hello"), 0o644))
	for format, want := range map[string]string{"json": "\"0x0008, IPv4's type in the wrong byte order\"", "text": "is neither C source (*.c) nor a"} {
		s := onTerminal(t, 40, 24, command(t, "bench", file, "--format", format, "--cache", t.TempDir()))
		require.Error(t, s.end())
		s.untilPrinted(want)
		if format == "text" {
			assert.NotContains(t, s.printed(), want+" BPF object", "it is wrapped")
		}
	}
}
