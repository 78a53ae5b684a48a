// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
	"bpflab/harness/host/receipt"
	"bpflab/harness/job"
	"bpflab/runner"
)

// The tests of this file hold bpflab to its claim: the same file gets the same score, and is
// observed to do the same, to the last digit. BPFLAB_RUNS says how often they grade.

func runs(t testing.TB, otherwise int) int {
	t.Helper()
	text := os.Getenv("BPFLAB_RUNS")
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "BPFLAB_RUNS is how often to grade")
	return n
}

// receiptOf grades and returns the receipt.
func receiptOf(t testing.TB, lab, cache, from string, names []string) *receipt.Receipt {
	t.Helper()
	file := filepath.Join(t.TempDir(), "receipt.json")
	code, report, notes := grade(t, lab, cache, from, names, "--receipt", file)
	require.Contains(t, []int{exitPassed, exitFailed}, code, "%s\n%s", report, notes)
	r, err := receipt.ReadFile(file)
	require.NoError(t, err, "%s\n%s", report, notes)
	return r
}

// observed has a submission observed in guests of one kind alone.
func observed(t testing.TB, lab *harness.Lab, from string, names []string, kind job.Guest) *receipt.Receipt {
	t.Helper()
	source, err := runner.FindSubmission(lab, from)
	require.NoError(t, err)
	g, err := hostOn(sharedCache(t), os.Stderr).Prepare(t.Context(), lab, source, names)
	require.NoError(t, err)
	require.NoError(t, g.Observe(t.Context(), []job.Guest{kind}, false))
	return g.Receipt
}

// firstGrade is what the first grade of a submission came to.
type firstGrade struct {
	code    int
	report  []byte // JSON
	notes   string
	receipt *receipt.Receipt
}

// firstGradeOf grades a submission on the kernels of the tests and the user's cache, once: several tests look
// at the same grade.
func firstGradeOf(t testing.TB, lab, from string) firstGrade {
	t.Helper()
	firstGrades.Lock()
	defer firstGrades.Unlock()
	g, ok := firstGrades.of[from]
	if !ok {
		file := filepath.Join(t.TempDir(), "receipt.json")
		g.code, g.report, g.notes = grade(t, lab, sharedCache(t), from, matrix(), "--receipt", file)
		var err error
		g.receipt, err = receipt.ReadFile(file)
		require.NoError(t, err, "%s\n%s", g.report, g.notes)
		firstGrades.of[from] = g
	}
	return g
}

var firstGrades = struct {
	sync.Mutex
	of map[string]firstGrade
}{of: map[string]firstGrade{}}

// firstReceipt is that grade's receipt.
func firstReceipt(t testing.TB, lab, from string) *receipt.Receipt {
	t.Helper()
	return firstGradeOf(t, lab, from).receipt
}

// assertSame asserts that two receipts have one digest, and says where they part.
func assertSame(t testing.TB, want, got *receipt.Receipt, when string) {
	t.Helper()
	first, agree := receipt.Compare(want, got)
	if !assert.True(t, agree, "%s: digests %s and %s", when, want.Digest, got.Digest) && first != nil {
		t.Errorf("first difference: %+v", *first)
	}
}

// busy keeps every core at work until the test and its parts have ended.
func busy(t testing.TB) {
	t.Helper()
	var done atomic.Bool
	for range runtime.NumCPU() {
		go func() {
			for !done.Load() {
			}
		}()
	}
	t.Cleanup(func() { done.Store(true) })
}

// The starters show most: that of lab 12.1 loses updates, more or less of them. TestSameFromTwoCaches has the
// solutions.
func TestSameUnderLoad(t *testing.T) {
	cache, n := sharedCache(t), runs(t, 2)
	for i := 1; i < n; i++ {
		if i == n/2 {
			busy(t)
		}
		t.Run(fmt.Sprintf("run %d of %d", i+1, n), func(t *testing.T) {
			for _, lab := range labs {
				t.Run(lab.Name, func(t *testing.T) {
					t.Parallel() // the other grades are a load too
					from := starterOf(t, lab.Name)
					assertSame(t, firstReceipt(t, lab.Name, from), receiptOf(t, lab.Name, cache, from, matrix()), from+", the second half of runs under load")
				})
			}
		})
	}
}

// Nothing of how a guest was made shows in what is observed in it: of one kernel here, of all with
// BPFLAB_KERNELS=all.
func TestSameFromTwoCaches(t *testing.T) {
	other, names := newCache(t), matrix()
	if len(names) == 2 {
		names = names[:1]
	}
	for _, lab := range labs {
		from := solutionOf(t, lab.Name)
		first := *firstReceipt(t, lab.Name, from)
		first.Kernels = first.Kernels[:len(names)]
		first.Verdicts = slices.DeleteFunc(slices.Clone(first.Verdicts), func(v receipt.Verdict) bool { return !slices.Contains(names, v.Kernel) })
		assertSame(t, &first, receiptOf(t, lab.Name, other, from, names), lab.Name+" from another cache")
	}
}

// losers are the submissions that must lose updates.
func losers(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(solution(t), "wrong/*/counter.bpf.c"))
	require.NoError(t, err)
	list := []string{starter(t)}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.HasPrefix(string(text), "// want concurrency:fail") {
			list = append(list, filepath.Dir(file))
		}
	}
	require.Greater(t, len(list), 1)
	return list
}

// Lost updates are found every time, and never where none are lost. Each run has another seed: that of
// a file with a comment more. TestGradeWrong grades the wrong submissions that lose updates, with the seeds
// that they have; with BPFLAB_RUNS they are graded here too.
func TestLostUpdatesAreFound(t *testing.T) {
	cache, names := sharedCache(t), matrix()[:1]
	status := func(from string, run int) string {
		text, err := os.ReadFile(filepath.Join(from, "counter.bpf.c"))
		require.NoError(t, err)
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "counter.bpf.c"), fmt.Appendf(text, "/* run %d */\n", run), 0o644))
		_, report, notes := grade(t, "lab12_1", cache, dir, names)
		for _, task := range parse(t, report).Kernels[0].Tasks {
			if task.ID == "concurrency" {
				return task.Status
			}
		}
		require.Fail(t, "no such task", "%s\n%s", report, notes)
		return ""
	}
	lose := losers(t)
	if os.Getenv("BPFLAB_RUNS") == "" {
		lose = []string{starter(t)}
	}
	for i := range runs(t, 1) {
		assert.Equal(t, "pass", status(solution(t), i), "the solution, run %d", i)
		for _, from := range lose {
			assert.Equal(t, "fail", status(from, i), "%s, run %d", filepath.Base(from), i)
		}
	}
}
