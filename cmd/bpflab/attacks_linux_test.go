// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever grades a class in a loop has the names of the next submissions in standard input.
func TestGradeReadsNoInput(t *testing.T) {
	for lab, wrong := range map[string]string{"lab12_1": "other_map", "lab12_2": "does_not_compile"} { // each has a compiler run, and no guest
		input := filepath.Join(t.TempDir(), "input")
		require.NoError(t, os.WriteFile(input, []byte("ada\ngrace\n"), 0o644))
		stdin, err := os.Open(input)
		require.NoError(t, err)
		defer stdin.Close()
		cmd := command(t, gradeArgs(lab, newCache(t), filepath.Join(solutionOf(t, lab), "wrong", wrong), []string{"6.12"})...)
		cmd.Stdin = stdin
		out, err := cmd.CombinedOutput()
		require.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), "%v: %s", err, out)
		rest, err := io.ReadAll(stdin)
		require.NoError(t, err)
		assert.Equal(t, "ada\ngrace\n", string(rest), lab)
	}
}

// A file of 20 GiB that takes no room is refused before it is read.
func TestGradeSparseFile(t *testing.T) {
	for lab, file := range map[string]string{"lab12_1": "counter.bpf.c", "lab12_2": "consumer.go"} {
		from := t.TempDir()
		if lab == "lab12_2" {
			text, err := os.ReadFile(filepath.Join(solutionOf(t, lab), "events.bpf.c"))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(from, "events.bpf.c"), text, 0o644))
		}
		path := filepath.Join(from, file)
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		require.NoError(t, os.Truncate(path, 20<<30))
		began := time.Now()
		code, out, notes := bpflab(t, "grade", lab, "--from", from)
		assert.Equal(t, exitUsage, code)
		assert.Empty(t, out)
		assert.Contains(t, notes, "21474836480 bytes long")
		assert.Less(t, time.Since(began), time.Minute)
	}
}

// Nothing that a submission brings along clears a terminal or passes for a line of the report.
func TestGradeShowsNoForgery(t *testing.T) {
	for _, name := range []string{"fake_report", "line_directive", "report_in_a_line"} {
		cmd := command(t, "grade", "lab12_1", "--from", filepath.Join(solution(t), "wrong", name), "--cache", sharedCache(t), "--kernels", "6.12")
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run()
		require.Equal(t, exitFailed, cmd.ProcessState.ExitCode(), "%s%s", &stdout, &stderr)
		for line := range strings.Lines(stdout.String() + stderr.String()) {
			control := strings.IndexFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) })
			assert.Negative(t, control, "%s: %q", name, line)
			for _, forged := range []string{"score  100/100", "passed on"} {
				assert.False(t, strings.HasPrefix(strings.TrimSpace(line), forged), "%s: %q", name, line)
			}
		}
	}
}

// A map that is larger than it need be is no mistake.
func TestGradeLargeMap(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(solution(t), "counter.bpf.c"))
	require.NoError(t, err)
	large := string(text)
	for _, change := range [][2]string{
		{"BPF_MAP_TYPE_PERCPU_ARRAY", "BPF_MAP_TYPE_ARRAY"}, {"max_entries, 256", "max_entries, 260000"},
		{"c->packets++;", "__sync_fetch_and_add(&c->packets, 1);"}, {"c->bytes += data_end - data;", "__sync_fetch_and_add(&c->bytes, data_end - data);"},
	} {
		require.Contains(t, large, change[0])
		large = strings.Replace(large, change[0], change[1], 1)
	}
	from := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(from, "counter.bpf.c"), []byte(large), 0o644))
	_, report, notes := grade(t, "lab12_1", sharedCache(t), from, []string{"6.12"})
	g := parse(t, report)
	require.True(t, g.Complete, "%s\n%s", report, notes)
	for _, task := range g.Kernels[0].Tasks {
		if task.ID != "sharing" { // all CPUs share the array
			assert.Contains(t, []string{"pass", "partial"}, task.Status, "%s: %s", task.ID, task.Message)
		}
	}
	assert.Greater(t, g.Score, 90.0)
}
