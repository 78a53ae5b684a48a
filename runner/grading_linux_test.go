// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
	"bpflab/harness/host/receipt"
)

// anyQEMU puts a program on PATH that says it is QEMU, for what asks only that.
func anyQEMU(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	script := []byte("#!/bin/sh\necho QEMU emulator version 90.0\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "qemu-system-x86_64"), script, 0o755))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// A submission's files, as a lab of a BPF file and a Go program has them.
const (
	anyBPF, otherBPF = "int x;\n", "int x, y;\n"
	anyGo, otherGo   = "package main\n\nfunc main() {}\n", "package main\n\nfunc main() { println() }\n"
)

// submission writes a submission into a folder of its own.
func submission(t *testing.T, bpf, program string) Submission {
	t.Helper()
	s := Submission{BPF: filepath.Join(t.TempDir(), "x.bpf.c")}
	require.NoError(t, os.WriteFile(s.BPF, []byte(bpf), 0o644))
	if program != "" {
		s.Program = filepath.Join(filepath.Dir(s.BPF), "x.go")
		require.NoError(t, os.WriteFile(s.Program, []byte(program), 0o644))
	}
	return s
}

// What a submission meets follows from both of its files: one that has the answers in its Go program meets
// something else.
func TestSeedIsOfBothFiles(t *testing.T) {
	anyQEMU(t)
	t.Setenv(seedKey, "")
	t.Setenv(seedKeyFile, "")
	h := &Host{Version: "test", Cache: t.TempDir(), Progress: notices{t}}
	lab := &harness.Lab{Name: "lab_x", File: "x.bpf.c", Program: "x.go"} // its policy refuses whatever is built
	prepare := func(bpf, program string) receipt.Submission {
		g, err := h.Prepare(t.Context(), lab, submission(t, bpf, program), []string{"6.12"})
		require.NoError(t, err)
		require.NotNil(t, g.Receipt.Refused)
		require.Contains(t, g.Receipt.Refused.Reason, "not allowed in this lab")
		require.Equal(t, []receipt.Kernel{{Name: "6.12"}}, g.Receipt.Kernels)
		return g.Receipt.Submission
	}
	one := prepare(anyBPF, anyGo)
	assert.Equal(t, sha256Hex(anyBPF), one.SHA256)
	assert.Equal(t, sha256Hex(anyGo), one.ProgramSHA256)
	assert.Equal(t, one, prepare(anyBPF, anyGo), "in another folder, the same")
	for name, other := range map[string]receipt.Submission{"BPF file": prepare(otherBPF, anyGo), "Go program": prepare(anyBPF, otherGo)} {
		assert.NotEqual(t, one.ContentSHA256, other.ContentSHA256, "another %s", name)
		assert.NotEqual(t, one.Seed, other.Seed, "another %s", name)
	}
}

// Of a submission that does not compile a receipt says which files it was, whichever of them does not.
func TestSumsOfWhatDoesNotCompile(t *testing.T) {
	anyQEMU(t)
	h := &Host{Version: "test", Cache: t.TempDir(), Progress: notices{t}}
	lab := &harness.Lab{Name: "lab_x", File: "x.bpf.c", Program: "x.go"}
	for _, tt := range []struct {
		bpf, program string
		reason       string
		headings     int
	}{
		{"int x\n", anyGo, "x.bpf.c does not compile", 0},
		{anyBPF, "package main\n", "x.go does not compile", 0},
		{"int x\n\n", "package main\n\n", "x.bpf.c does not compile", 0},
	} {
		g, err := h.Prepare(t.Context(), lab, submission(t, tt.bpf, tt.program), []string{"6.12"})
		require.NoError(t, err)
		require.NotNil(t, g.Receipt.Refused)
		assert.Equal(t, tt.reason, g.Receipt.Refused.Reason)
		details := strings.Join(g.Receipt.Refused.Details, "\n")
		assert.Equal(t, tt.headings, strings.Count(details, "does not compile:"))
		assert.Equal(t, strings.Contains(tt.reason, "x.bpf.c"), strings.Contains(details, "x.bpf.c:1:"), details)
		assert.Equal(t, strings.Contains(tt.reason, "x.go"), strings.Contains(details, "function main is undeclared"), details)
		assert.Equal(t, sha256Hex(tt.bpf), g.Receipt.Submission.SHA256)
		assert.Equal(t, sha256Hex(tt.program), g.Receipt.Submission.ProgramSHA256)
	}
}

func TestSubmissionFiles(t *testing.T) {
	both, bpf := Submission{BPF: "a/x.bpf.c", Program: "a/x.go"}, Submission{BPF: "a/x.bpf.c"}
	assert.Equal(t, []string{"a/x.bpf.c", "a/x.go"}, both.Files())
	assert.Equal(t, []string{"a/x.bpf.c"}, bpf.Files())
	for path, want := range map[string][2]bool{
		"b/x.bpf.c": {true, true}, "x.go": {true, false}, "any.h": {true, true}, "x.h.c": {false, false}, "y.go": {false, false},
	} {
		assert.Equal(t, want[0], both.Has(path), path)
		assert.Equal(t, want[1], bpf.Has(path), path)
	}
}

// Whoever waits for a submission to change goes by the sum of all of it.
func TestSubmissionSum(t *testing.T) {
	sum := func(bpf, program string) string {
		sum, err := submission(t, bpf, program).Sum()
		require.NoError(t, err)
		return sum
	}
	one := sum(anyBPF, anyGo)
	assert.Equal(t, one, sum(anyBPF, anyGo))
	for _, other := range []string{sum(otherBPF, anyGo), sum(anyBPF, otherGo), sum(anyBPF, "")} {
		assert.NotEqual(t, one, other)
	}

	gone := submission(t, anyBPF, anyGo)
	require.NoError(t, os.Remove(gone.Program))
	_, err := gone.Sum()
	assert.Error(t, err)
}

// A folder without one of a lab's files holds no submission of it.
func TestFindSubmission(t *testing.T) {
	full := submission(t, anyBPF, anyGo)
	folder := filepath.Dir(full.BPF)
	lab := &harness.Lab{Name: "lab_x", File: "x.bpf.c", Program: "x.go"}
	got, err := FindSubmission(lab, folder)
	require.NoError(t, err)
	assert.Equal(t, full, got)
	got, err = FindSubmission(&harness.Lab{Name: "lab_y", File: "x.bpf.c"}, folder)
	require.NoError(t, err)
	assert.Equal(t, Submission{BPF: full.BPF}, got)
	for _, name := range []string{"x.go", "x.bpf.c"} {
		require.NoError(t, os.Remove(filepath.Join(folder, name)))
		_, err = FindSubmission(lab, folder)
		assert.ErrorContains(t, err, "a lab_x submission must contain "+name)
	}

	root, err := ModuleRoot()
	require.NoError(t, err)
	got, err = FindSubmission(&harness.Lab{Name: "lab12_1", File: "counter.bpf.c"}, "")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(root, "labs/lab12_1/counter.bpf.c"), got.BPF)
}
