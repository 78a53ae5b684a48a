// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/record"
	"bpflab/runner"
)

// watchOnTerminal watches a folder of lab 12.1, which has a BPF file that does not compile, on a terminal of 80 columns.
func watchOnTerminal(t testing.TB, cache, folder string, env ...string) *session {
	t.Helper()
	saveIn(t, folder, "#include \"part.h\"\nint broken(\n")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "part.h"), []byte("#pragma once\n"), 0o644))
	cmd := command(t, "watch", "lab12_1", "--from", folder, "--cache", cache)
	cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "XDG_STATE_HOME="+t.TempDir()), env...)
	return onTerminal(t, 80, 24, cmd)
}

func saveIn(t testing.TB, folder, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "counter.bpf.c"), []byte(text), 0o644))
}

func textOf(t testing.TB, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "counter.bpf.c"))
	require.NoError(t, err)
	return string(text)
}

// A watch on a terminal, by the keys.
func TestWatchOnScreen(t *testing.T) {
	cache, folder, state := warmCache(t, "6.12"), t.TempDir(), t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	// Yesterday the solution passed.
	saveIn(t, folder, textOf(t, solution(t)))
	source, err := runner.FindSubmission(labs[0], folder)
	require.NoError(t, err)
	now, err := stateOf(source)
	require.NoError(t, err)
	yesterday := firstReceipt(t, "lab12_1", solution(t))
	_, err = remember(labs[0], now, yesterday, yesterday.Judge(labs[0].Tasks))
	require.NoError(t, err)

	s := watchOnTerminal(t, cache, folder, "XDG_STATE_HOME="+state)
	modes := s.modes()
	s.until("watching "+folder+": counter.bpf.c, part.h", "counter.bpf.c:2:12: error: expected parameter", "fix this first")

	saveIn(t, folder, textOf(t, starter(t)))
	s.until("watching "+folder+": counter.bpf.c\n", "grading on 6.12")
	assert.Regexp(t, `(?m)^ 1 verifier +ok +10/10\n 2 exact counts +… +/28$`, s.String())
	s.until("score  38/100   -62.0 since the last grade", "next task")
	assert.Regexp(t, `(?m)^▸3 two CPUs, one truth +LOST +0/12   ok → LOST  -12$`, s.String())
	assert.Contains(t, s.String(), "── 3 two CPUs, one truth ──")
	assert.Regexp(t, `(?m)^ 3 \d+ of \d+ updates lost`, s.String())

	s.press("h")
	s.until("hint 1 of 4: Two CPUs can be between")
	assert.NotContains(t, s.String(), "hint 2")
	s.press("h")
	s.until("hint 2 of 4: ")
	s.press("n")
	s.until("▸4 nothing shared", " 4 a packet makes up to 1 write")
	s.press("p")
	s.until("▸3 two CPUs", "hint 2 of 4: ")
	s.press("l")
	s.until("── labs ──", "lab12_3", "Adaptive sampling")
	s.press("d")
	s.until("── diff ──", "Against the last submission that passed:", "--- counter.bpf.c before", "+++ counter.bpf.c now")
	s.press("\x1b")
	s.until("▸3 two CPUs")

	// The window shrinks: what the terminal shows beyond its 50 columns would be seen here.
	s.resizeTo(50, 24)
	s.untilTrue("50 columns", func(screen string) bool {
		for line := range strings.Lines(screen) {
			if ansi.StringWidth(strings.TrimSuffix(line, "\n")) > 50 {
				return false
			}
		}
		return strings.Contains(screen, "▸3 two CPUs") && strings.Contains(screen, "q quit")
	})

	require.NoError(t, os.Remove(filepath.Join(folder, "counter.bpf.c")))
	s.until("counter.bpf.c is gone.")
	saveIn(t, folder, textOf(t, solution(t)))
	s.until("loading on 6.12") // goes on
	s.untilTrue("a guest", func(string) bool { return guests(t, cache) > 0 })
	s.press("q")
	require.NoError(t, s.end())
	assert.Zero(t, guests(t, cache), "guests left")
	s.assertRestored(modes)
	assertNoTemporaries(t, cache)
}

// However a watch ends, and however soon, it leaves the terminal as it was. The terminal is asked nothing: its reply
// could come when the watch has ended.
func TestWatchEnds(t *testing.T) {
	colours := regexp.MustCompile(`\x1b\[[0-9;]*3[0-7][0-9;]*m`)
	for name, end := range map[string]func(*session){
		"q":       func(s *session) { s.press("q") },
		"Ctrl-C":  func(s *session) { s.press("\x03") },
		"SIGTERM": func(s *session) { require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM)) },
	} {
		t.Run(name, func(t *testing.T) {
			var env []string
			if name == "q" {
				env = []string{"NO_COLOR=yes"}
			}
			s := watchOnTerminal(t, sharedCache(t), t.TempDir(), env...)
			modes := s.modes()
			s.until("lab12_1  High-performance packet counter")
			if name != "SIGTERM" {
				s.until("refused at")
				assert.Equal(t, name != "q", colours.MatchString(s.printed()))
			}
			end(s)
			assert.NoError(t, s.end())
			s.assertRestored(modes)
		})
	}
}

// Where there is no terminal to draw on, reports are printed.
func TestWatchPlain(t *testing.T) {
	for name, how := range map[string]struct{ flag, terminal string }{"--plain": {"--plain", "xterm"}, "dumb": {"--plain=false", "dumb"}} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			saveIn(t, folder, "int broken(\n")
			cmd := command(t, "watch", "lab12_1", "--from", folder, "--cache", sharedCache(t), how.flag)
			cmd.Env = append(os.Environ(), "TERM="+how.terminal)
			s := onTerminal(t, 200, 50, cmd)
			s.until("nothing was run: counter.bpf.c does not compile", "; watching ")
			assert.NotContains(t, s.printed(), "\x1b[?1049h", "the other screen")

			// What cannot be read is told, and no reason to end.
			file := filepath.Join(folder, "counter.bpf.c")
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.Symlink("/etc/passwd", file))
			s.until("counter.bpf.c is a symbolic link")
			require.NoError(t, os.Remove(file))
			saveIn(t, folder, "int again(\n")
			s.until("int again(")

			// Nor is a folder that goes and comes back.
			require.NoError(t, os.RemoveAll(folder))
			s.until("counter.bpf.c: gone;")
			require.NoError(t, os.Mkdir(folder, 0o755))
			saveIn(t, folder, "int again(\n")
			s.until("counter.bpf.c: back")
			saveIn(t, folder, "int another(\n")
			s.until("int another(")
			require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
			assert.NoError(t, s.end())
		})
	}
}

// A diff is against what passed last, headers included, or else against the starter.
func TestWatchDiff(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	lab, folder := labs[0], t.TempDir()
	saveIn(t, folder, textOf(t, starter(t))+"// mine\n")
	source, err := runner.FindSubmission(lab, folder)
	require.NoError(t, err)
	w := &watch{lab: lab, source: source}
	diff := func() string {
		text, err := w.diff()
		require.NoError(t, err)
		return text
	}
	original, err := fs.ReadFile(lab.Starter, "starter/counter.bpf.c")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(diff(), "Nothing has passed yet. Against the starter:\n\n--- counter.bpf.c before\n+++ counter.bpf.c now\n"), diff())
	assert.Contains(t, diff(), "\n+// mine\n")
	saveIn(t, folder, string(original))
	assert.Contains(t, diff(), "no difference")

	header := filepath.Join(folder, "part.h")
	require.NoError(t, os.WriteFile(header, []byte("// one\n"), 0o644))
	saveIn(t, folder, "#include \"part.h\"\n")
	now, err := stateOf(source)
	require.NoError(t, err)
	require.NoError(t, record.Of(lab.Name).Add(record.Grade{Folder: folder, Content: now.content, Passed: true}, nil, now.files))
	assert.Equal(t, "Against the last submission that passed:\n\nno difference\n", diff())
	require.NoError(t, os.WriteFile(header, []byte("// two\n"), 0o644))
	assert.Contains(t, diff(), "--- part.h before\n+++ part.h now\n@@ -1 +1 @@\n-// one\n+// two\n")
	assert.NotContains(t, diff(), "counter.bpf.c")
	saveIn(t, folder, "// alone\n")
	assert.Contains(t, diff(), "-// one", "the header belongs to it no more")
}

func TestWatchKernel(t *testing.T) {
	assert.Equal(t, quickKernel, quick(labs[0]))
	assert.Equal(t, "6.18", quick(&harness.Lab{Needs: harness.Needs{Oldest: "6.17"}}))
}

// A grade is compared with the last one of each of its kernels.
func TestWatchCompares(t *testing.T) {
	w := &watch{before: map[string]judge.KernelResult{}}
	kernel := func(name string, score float64) judge.KernelResult {
		return judge.KernelResult{Name: name, Score: score, Tasks: []judge.TaskResult{{ID: "verifier"}}}
	}
	w.keep(judge.Result{Kernels: []judge.KernelResult{kernel("6.12", 30), kernel("7.3", 10)}})
	w.keep(judge.Result{Kernels: []judge.KernelResult{kernel("6.12", 60)}})
	failed := kernel("7.3", 0)
	failed.Tasks[0].Status = judge.Error
	w.keep(judge.Result{Kernels: []judge.KernelResult{failed}})
	assert.Equal(t, judge.Result{Score: 60, Kernels: []judge.KernelResult{kernel("6.12", 60)}}, w.last([]string{"6.12"}))
	assert.Equal(t, 10.0, w.last([]string{"6.12", "7.3"}).Score)
	assert.Empty(t, w.last([]string{"6.12", "5.10"}).Kernels, "5.10 is new")
}
