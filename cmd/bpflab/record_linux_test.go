// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/record"
	"bpflab/runner"
	"bpflab/vm/kernels"
)

// gradedOn is a receipt of a lab on some kernels.
func gradedOn(names ...string) *receipt.Receipt {
	r := &receipt.Receipt{}
	for _, name := range names {
		r.Kernels = append(r.Kernels, receipt.Kernel{Name: name})
	}
	return r
}

func refusedOn(r *receipt.Receipt) *receipt.Receipt {
	refused := *r
	refused.Refused = &receipt.Refusal{}
	return &refused
}

// scoredOn is a result with a task that has the points of each kernel.
func scoredOn(r *receipt.Receipt, points ...float64) judge.Result {
	result := judge.Result{MaxScore: 100, Complete: true, Score: points[0]}
	for i, k := range r.Kernels {
		task := judge.TaskResult{MaxPoints: 100, Points: points[i], Verdict: judge.Verdict{Status: judge.Graded(points[i] / 100)}}
		result.Kernels = append(result.Kernels, judge.KernelResult{Name: k.Name, Score: points[i], Tasks: []judge.TaskResult{
			{Verdict: judge.Verdict{Status: judge.Skip}}, task,
		}})
		result.Score = min(result.Score, points[i])
	}
	return result
}

func TestRemember(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	lab := labs[0]
	here := state{folder: "/here", content: "one", files: []record.File{{Name: lab.File, Text: []byte("text")}}}
	there := state{folder: "/there", content: "two"}
	one, all := gradedOn("6.12"), gradedOn(kernels.Names()...)
	hundred := []float64{100, 100, 100, 100, 100}
	for _, tt := range []struct {
		at     state
		r      *receipt.Receipt
		result judge.Result
		change string
	}{
		{here, one, scoredOn(one, 30), ""},
		{here, one, scoredOn(one, 42.5), "+12.5 since the last grade"},
		{here, one, scoredOn(one, 42.5), "the same as in the last grade"},
		{here, refusedOn(one), scoredOn(one, 0), ""},
		{here, one, scoredOn(one, 42.5), "the same as in the last grade"},
		{there, one, scoredOn(one, 10), ""},
		{here, all, scoredOn(all, hundred...), ""},
		{here, one, judge.Result{Score: 0, MaxScore: 100, Kernels: scoredOn(one, 0).Kernels}, ""},
		{here, one, scoredOn(one, 40), "-2.5 since the last grade on these kernels"},
	} {
		change, err := remember(lab, tt.at, tt.r, tt.result)
		require.NoError(t, err)
		assert.Equal(t, tt.change, change)
	}
	grades, err := record.Of(lab.Name).Grades("/here")
	require.NoError(t, err)
	require.Len(t, grades, 8)
	assert.True(t, grades[3].Refused)
	assert.False(t, grades[4].Refused)
	assert.Equal(t, []int{2}, grades[0].Left, "what was skipped is not left")
	assert.False(t, grades[0].All)
	assert.True(t, grades[5].All)
	assert.True(t, grades[5].Passed)
	assert.Empty(t, grades[5].Left)
	assert.False(t, grades[6].Complete)
	dir, err := record.Of(lab.Name).Passing("/here")
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, lab.File))
	require.NoError(t, err)
	assert.Equal(t, "text", string(text))
}

func TestList(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	add := func(lab int, ago time.Duration, g record.Grade) {
		folder, err := runner.Folder(labs[lab], "")
		require.NoError(t, err)
		g.Folder, g.Time, g.MaxScore = folder, now.Add(-ago), 100
		require.NoError(t, record.Of(labs[lab].Name).Add(g, nil, nil))
	}
	one := []string{"6.12"}
	add(0, 80*time.Hour, record.Grade{All: true, Complete: true, Score: 85.4, Left: []int{4}})
	add(0, 60*time.Hour, record.Grade{All: true, Complete: true, Score: 100})
	add(0, 50*time.Hour, record.Grade{All: true, Complete: true, Score: 61.6, Left: []int{4, 6}})
	add(1, 61*time.Minute, record.Grade{Kernels: one, Complete: true, Score: 100})
	add(2, 30*time.Second, record.Grade{All: true, Score: 30, Left: []int{1}})
	var out bytes.Buffer
	require.NoError(t, list(&out, now))
	assert.Equal(t, `lab      best  last         when        tasks left         title
lab12_1  100   61.6         2 days ago  4, 6               High-performance packet counter
lab12_2  -     100 on 6.12  1 hour ago  the other kernels  Zero-copy event collection
lab12_3  -     error        just now    1                  Adaptive sampling
`, out.String())
	add(2, 0, record.Grade{All: true, Complete: true, Refused: true, Left: []int{1, 2}})
	out.Reset()
	require.NoError(t, list(&out, now))
	assert.Contains(t, out.String(), "\nlab12_3  -     not run ")
}

func TestSince(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago", 59*time.Minute + 59*time.Second: "59 minutes ago",
		time.Hour: "1 hour ago", 23 * time.Hour: "23 hours ago", 24 * time.Hour: "1 day ago", 1000 * time.Hour: "41 days ago",
	} {
		assert.Equal(t, want, since(d), d)
	}
}

// A reset brings the starter back and loses nothing.
func TestReset(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	lab, folder := labs[1], t.TempDir()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		return string(text)
	}
	starter := func(name string) string {
		text, err := fs.ReadFile(lab.Starter, "starter/"+name)
		require.NoError(t, err)
		return string(text)
	}
	code, out, notes := bpflab(t, "reset", lab.Name, "--from", folder)
	require.Equal(t, exitPassed, code, notes)
	assert.Equal(t, 2, strings.Count(out, " is the starter again\n"), "files that were missing are there again: %s", out)
	assert.NotContains(t, out, "kept")
	assert.Equal(t, starter(lab.Program), read(lab.Program))
	assert.NoDirExists(t, filepath.Join(state, "bpflab"))

	code, out, _ = bpflab(t, "reset", lab.Name, "--from", folder)
	assert.Equal(t, exitPassed, code)
	assert.Equal(t, folder+" is the starter already: nothing to do\n", out)

	require.NoError(t, os.WriteFile(filepath.Join(folder, lab.File), []byte("my work"), 0o644))
	code, out, notes = bpflab(t, "reset", lab.Name, "--from", folder)
	require.Equal(t, exitPassed, code, notes)
	assert.Equal(t, 1, strings.Count(out, " is the starter again\n"), out)
	assert.Equal(t, starter(lab.File), read(lab.File))
	_, kept, found := strings.Cut(strings.TrimSpace(out), "what was there is kept in ")
	require.True(t, found, out)
	text, err := os.ReadFile(filepath.Join(kept, lab.File))
	require.NoError(t, err)
	assert.Equal(t, "my work", string(text))
	assert.NoFileExists(t, filepath.Join(kept, lab.Program), "only what was replaced is kept")

	// What cannot be kept is not replaced.
	require.NoError(t, os.WriteFile(filepath.Join(folder, lab.File), []byte("my work"), 0o644))
	t.Setenv("XDG_STATE_HOME", filepath.Join(folder, lab.File))
	code, _, notes = bpflab(t, "reset", lab.Name, "--from", folder)
	assert.Equal(t, exitInfra, code)
	assert.Contains(t, notes, "and so nothing was changed")
	assert.Equal(t, "my work", read(lab.File))

	code, _, notes = bpflab(t, "reset", "lab9")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, notes, `no lab is called "lab9": the labs are lab12_1, lab12_2, lab12_3`)
}

func TestNext(t *testing.T) {
	lab, last := labs[0], labs[len(labs)-1]
	one, all := gradedOn("6.12"), gradedOn(kernels.Names()...)
	refused := gradedOn("6.12")
	refused.Refused = &receipt.Refusal{}
	four := gradedOn(kernels.Names()[1:]...)
	hundred := []float64{100, 100, 100, 100, 100}
	for name, tt := range map[string]struct {
		from   string
		r      *receipt.Receipt
		result judge.Result
		want   []string
	}{
		"refused":         {"", refused, scoredOn(refused, 0), []string{"next: fix this first; nothing was run."}},
		"ours":            {"", one, judge.Result{Kernels: scoredOn(one, 30).Kernels}, []string{"next: grade again. If the error comes back, ./bpflab doctor checks this machine."}},
		"failed":          {"", one, scoredOn(one, 30), []string{"next: task 2. ./bpflab hint lab12_1 2"}},
		"failed, from":    {"my work", one, scoredOn(one, 30), []string{"next: task 2. ./bpflab hint lab12_1 --from 'my work' 2"}},
		"one kernel":      {"", one, scoredOn(one, 100), []string{"passed on 6.12. The score is the lowest of all kernels, and 5.10, 6.1, 6.18 and 7.3 are not graded yet: ./bpflab grade lab12_1"}},
		"all but one":     {"", four, scoredOn(four, hundred[1:]...), []string{"passed on 6.1, 6.12, 6.18 and 7.3. The score is the lowest of all kernels, and 5.10 is not graded yet: ./bpflab grade lab12_1"}},
		"all, no figures": {"", all, scoredOn(all, hundred...), []string{"passed on all kernels.", "Now read solutions/lab12_1/NOTES.md, which has what each step is worth, and solutions/lab12_1/wrong, submissions that do not pass. The next lab is lab12_2, Zero-copy event collection: labs/lab12_2/README.md"}},
	} {
		assert.Equal(t, tt.want, next(lab, tt.from, tt.r, tt.result), name)
	}
	said := next(last, "", all, scoredOn(all, hundred...))
	assert.NotContains(t, said[len(said)-1], "The next lab")
}

// At 100 points on all kernels each lab says what was achieved, with figures of the submission's.
func TestLearned(t *testing.T) {
	for _, lab := range labs {
		r, err := receipt.ReadFile(filepath.Join("testdata/receipts", lab.Name+".json"))
		require.NoError(t, err)
		lines := lab.Learned(r.Cases())
		assert.Len(t, lines, 3, lab.Name)
		for _, line := range lines {
			assert.Regexp(t, `^[A-Z].*\.$`, line)
			assert.NotRegexp(t, `NaN|Inf|%!`, line)
		}
		assert.Contains(t, lines[0], "Linux 6.12", lab.Name)
		assert.Empty(t, lab.Learned(nil), "nothing was observed")
	}
}
