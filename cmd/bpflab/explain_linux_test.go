// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/explain"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
	"bpflab/vm/kernels"
)

func explainData(t testing.TB) string {
	return filepath.Join(clone(t), "harness/host/explain/testdata")
}

// rejected are the programs that explanations are tested with. What each kernel must make of
// one stands in its first lines:
//
//	// want null-check "invalid mem access"       every kernel but those of the other lines
//	// want null-check@5.10,6.1 "another text"    these say it in other words
//	// want accepted@6.12                         these have nothing against it
//
// The word is the kind of rejection, the text a part of the verifier's message.
func rejected(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(explainData(t), "rejected/*.bpf.c"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// outcome is what a kernel must make of a program.
type outcome struct {
	kind string // "accepted", or of a rejection
	text string // a part of the message
}

var wantOutcome = regexp.MustCompile(`^// want (?:(accepted)@([\d.,]+)|([a-z-]+)(?:@([\d.,]+))? "([^"]+)")$`)

// outcomes returns what a program's first lines say, by kernel; "": of all other kernels.
func outcomes(t testing.TB, file string) map[string]outcome {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	all := map[string]outcome{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "// want") {
			break
		}
		m := wantOutcome.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		require.NotNil(t, m, "%s: what does this want: %s", file, line)
		for _, kernel := range strings.Split(m[2]+m[4], ",") {
			require.NotContains(t, all, kernel, "%s: two lines for a kernel", file)
			all[kernel] = outcome{m[1] + m[3], m[5]}
		}
	}
	return all
}

// Without a guest: each program says what it wants, of kernels and kinds that there are.
func TestRejectedProgramsNameTheirKinds(t *testing.T) {
	kinds := []string{"accepted"}
	for _, k := range explain.Kinds() {
		kinds = append(kinds, k.Kind)
	}
	for _, file := range rejected(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".bpf.c")
		all := outcomes(t, file)
		assert.Equal(t, name, all[""].kind, "%s: its first line is of its own kind, and of no kernel", file)
		for kernel, o := range all {
			assert.Contains(t, kinds, o.kind, file)
			if kernel != "" {
				assert.Contains(t, kernels.Names(), kernel, file)
			}
		}
		assert.Less(t, len(all)-1, len(kernels.Names()), "%s: no kernel is left for its first line", file)
	}
}

// Each program is rejected for what its first lines say, and accepted where they say so.
func TestExplainRejected(t *testing.T) {
	names, files := matrix(), rejected(t)
	if *update {
		require.Equal(t, kernels.Names(), names, "to write down what they say, BPFLAB_KERNELS=all")
	}
	h := hostOn(sharedCache(t), os.Stderr)
	all, err := h.explain(t.Context(), files, names)
	require.NoError(t, err)
	require.Len(t, all, len(files))
	var messages strings.Builder
	for i, e := range all {
		name := filepath.Base(e.file)
		require.Equal(t, files[i], e.file)
		require.Empty(t, e.broken)
		require.Equal(t, names, e.kernels)
		require.Len(t, e.loaded, len(names))
		wants := outcomes(t, e.file)
		for n, l := range e.loaded {
			want, ok := wants[names[n]]
			if !ok {
				want = wants[""]
			}
			require.Empty(t, l.Error, "%s on Linux %s", name, names[n])
			got := outcome{kind: "accepted"}
			if !l.Accepted {
				explanation, _ := explain.Rejection(l.Report)
				got.kind = explanation.Kind
			}
			assert.Equal(t, want.kind, got.kind, "%s on Linux %s: %s", name, names[n], l.Message)
			assert.Contains(t, l.Message, want.text, "%s on Linux %s", name, names[n])
			if l.Source != "" {
				assert.Regexp(t, `^`+regexp.QuoteMeta(name)+`:\d+: .`, l.Source, "Linux %s", names[n])
			}
		}
		e.record(&messages)
	}
	if *update {
		path := filepath.Join(explainData(t), "messages.txt")
		head := "# What kernels say of the programs in rejected/: kind, kernels, instruction, message.\n"
		require.NoError(t, os.WriteFile(path, []byte(head+messages.String()), 0o644))
	}
}

// record writes what kernels said of a file, as the pure tests of package verifier read it.
func (e explained) record(w *strings.Builder) {
	var lines []string
	who := map[string][]string{}
	for i, l := range e.loaded {
		explanation, ok := explain.Rejection(l.Report)
		if !ok {
			continue
		}
		var insn string
		for _, line := range l.Log {
			if regexp.MustCompile(`^\d+: \(`).MatchString(line) {
				insn, _, _ = strings.Cut(line, ";")
			}
		}
		line := fmt.Sprintf("%s\t%%s\t%s\t%s\n", explanation.Kind, strings.TrimSpace(insn), l.Message)
		if who[line] == nil {
			lines = append(lines, line)
		}
		who[line] = append(who[line], e.kernels[i])
	}
	for _, line := range lines {
		w.WriteString(strings.Replace(line, "%s", strings.Join(who[line], ","), 1))
	}
}

// The command says what the kernels do, once where they agree, and ends accordingly.
func TestExplainCommand(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{"null-check", "atomic-fetch"} {
		files[name] = filepath.Join(explainData(t), "rejected", name+".bpf.c")
	}
	files["accepted"] = filepath.Join(solution(t), "counter.bpf.c")
	files["broken"] = filepath.Join(t.TempDir(), "broken.bpf.c")
	require.NoError(t, os.WriteFile(files["broken"], []byte("int f(void)\n{\n\treturn 1\n}\n"), 0o644))
	files["two"] = filepath.Join(t.TempDir(), "two.bpf.c")
	require.NoError(t, os.WriteFile(files["two"], []byte("#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nSEC(\"xdp\") int a(void *ctx) { return 1; }\nSEC(\"xdp\") int b(void *ctx) { return 1; }\n"), 0o644))
	explain := func(names ...string) (int, string) {
		t.Helper()
		args := []string{"explain", "--cache", sharedCache(t), "--kernels", "5.10,6.12"}
		for _, name := range names {
			args = append(args, files[name])
		}
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), &stdout, &stderr, args)
		assert.Empty(t, stderr.String())
		return code, stdout.String()
	}

	code, out := explain("accepted")
	assert.Equal(t, exitPassed, code)
	assert.Regexp(t, `^\S+/counter.bpf.c\n(  (5\.10|6\.12|5\.10, 6\.12): accepted, \d+ instructions processed\n)+$`, out)

	code, out = explain("null-check", "atomic-fetch", "broken", "two")
	assert.Equal(t, exitFailed, code)
	parts := strings.Split(out, "\n\n")
	require.Len(t, parts, 4)
	assert.Regexp(t, `^\S+/null-check.bpf.c
  5\.10, 6\.12: rejected: null-check
    verifier: R\d invalid mem access 'map_value_or_null'
    at: null-check.bpf.c:\d+: \*packets \+= 1;
    what it means: The pointer may be NULL here.*
    try: Test the pointer.*$`, parts[0])
	assert.Regexp(t, `^\S+/atomic-fetch.bpf.c
  5\.10: rejected: atomic-fetch
    verifier: BPF_STX uses reserved fields
    what it means: .*
    try: .*
  6\.12: accepted, \d+ instructions processed$`, parts[1])
	assert.Regexp(t, `^\S+/broken.bpf.c does not compile:
│ \S+/broken.bpf.c:3:10: error: expected ';' after return statement`, parts[2])
	assert.Equal(t, files["two"]+" holds 2 programs: expected exactly one program per file\n", parts[3])

	code, _ = explain("broken")
	assert.Equal(t, exitFailed, code)
}

// A guest that fails has judged nothing: that is nobody's rejection.
func TestExplainInfrastructure(t *testing.T) {
	bin := t.TempDir()
	fake := "#!/bin/sh\n[ \"$1\" = --version ] && echo QEMU emulator version 90.0 && exit\necho out of luck >&2\nexit 1\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte(fake), 0o755))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	file := filepath.Join(explainData(t), "rejected/null-check.bpf.c")
	code := run(t.Context(), &stdout, &stderr, []string{"explain", file, "--cache", newCache(t), "--kernels", "6.12"})
	assert.Equal(t, exitInfra, code)
	assert.Contains(t, stdout.String(), "6.12: not judged: ")
	assert.Contains(t, stdout.String(), "out of luck")
}

// What kernels agree on is told once, what it means once a file.
func TestShowExplained(t *testing.T) {
	one := job.Loaded{Report: verifier.Report{Message: "R0 !read_ok", Source: "a.bpf.c:3: return x;"}}
	other := job.Loaded{Report: verifier.Report{Message: "R2 !read_ok"}}
	unknown := job.Loaded{Report: verifier.Report{Message: "the moon is full", Log: []string{"0: (95) exit", "the moon is full"}}}
	told, ok := explain.Rejection(unknown.Report)
	require.True(t, ok)
	meaning := "    " + strings.Join(told.Lines(), "\n    ") + "\n"
	fine := job.Loaded{Report: verifier.Report{Accepted: true, Stats: verifier.Stats{Processed: 7}}}
	lost := job.Loaded{Error: "it ended"}
	for _, tt := range []struct {
		loaded []job.Loaded
		code   int
		want   string
	}{
		{[]job.Loaded{fine, fine}, exitPassed, "a.bpf.c\n  k0, k1: accepted, 7 instructions processed\n"},
		{[]job.Loaded{unknown, fine}, exitFailed, "a.bpf.c\n  k0: rejected: unknown\n    verifier: the moon is full\n    0: (95) exit\n    the moon is full\n" + meaning + "  k1: accepted, 7 instructions processed\n"},
		{[]job.Loaded{lost, unknown}, exitInfra, "a.bpf.c\n  k0: not judged: it ended\n  k1: rejected: unknown\n    verifier: the moon is full\n    0: (95) exit\n    the moon is full\n" + meaning + ""},
	} {
		var out bytes.Buffer
		e := explained{file: "a.bpf.c", kernels: []string{"k0", "k1"}, loaded: tt.loaded}
		err := showExplained(&out, []explained{e})
		assert.Equal(t, tt.want, out.String())
		if tt.code == exitPassed {
			assert.NoError(t, err)
			continue
		}
		assert.Equal(t, &exit{code: tt.code}, err)
	}

	var out bytes.Buffer
	e := explained{file: "a.bpf.c", kernels: []string{"k0", "k1", "k2"}, loaded: []job.Loaded{one, other, one}}
	require.Error(t, showExplained(&out, []explained{e}))
	assert.Regexp(t, `^a.bpf.c
  k0, k2: rejected: uninit-register
    verifier: R0 !read_ok
    at: a.bpf.c:3: return x;
    what it means: .*
    try: .*
  k1: rejected: uninit-register
    verifier: R2 !read_ok
$`, out.String())
}
