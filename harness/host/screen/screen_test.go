// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"charm.land/bubbles/v2/spinner"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/report"
)

var lab = Lab{Name: "lab1", Title: "A packet counter", Tasks: []judge.Task{
	{ID: "verifier", Title: "verifier", Points: 10, Hints: judge.Hints("verifier one", "verifier two", "verifier three")},
	{ID: "race", Title: "two CPUs", Points: 40, Hints: judge.Hints("race one", "race two"), Symptoms: map[string]string{"EXTRA": "race extra"}},
	{ID: "cost", Title: "cost of a packet", Points: 50, Hints: judge.Hints("cost one")},
}}

type asked string

func ask(what string) tea.Cmd { return func() tea.Msg { return asked(what) } }

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// user is somebody before a screen.
type user struct {
	t *testing.T
	m Model
}

func sits(t *testing.T, columns, rows int) *user {
	u := &user{t, New(lab, Asks{Again: ask("again"), All: ask("all"), List: ask("list"), Diff: ask("diff")}, false)}
	u.told(tea.WindowSizeMsg{Width: columns, Height: rows}, Watching{"labs/lab1", []string{"counter.bpf.c", "part.h"}})
	return u
}

// told tells the screen something, and returns what it asks for last.
func (u *user) told(messages ...tea.Msg) (cmd tea.Cmd) {
	for _, m := range messages {
		var next tea.Model
		next, cmd = u.m.Update(m)
		u.m = next.(Model)
	}
	return cmd
}

// press presses keys, each of one letter, and returns what the last one asked for.
func (u *user) press(keys string) (msg tea.Msg) {
	for _, k := range keys {
		cmd := u.told(tea.KeyPressMsg{Code: k, Text: string(k)})
		if msg = nil; cmd != nil {
			msg = cmd()
		}
	}
	return msg
}

func (u *user) sees() string { return ansi.Strip(u.m.View().Content) }

// bottom is what the help names.
func (u *user) bottom() string {
	all := strings.Split(u.sees(), "\n")
	return strings.Join(all[len(all)-len(u.m.keyHelp()):], "\n")
}

// verdict is a verdict of a test: a cell that begins with "ok" passes, "" has not been judged yet.
func verdict(cell, message string, details ...string) judge.Verdict {
	v := judge.Verdict{Status: judge.Fail, Cell: cell, Message: message, Details: details}
	if strings.HasPrefix(cell, "ok") {
		v.Status, v.Fraction = judge.Pass, 1
	}
	return v
}

// result is that of verdicts on Linux 6.12.
func result(verdicts ...judge.Verdict) judge.Result {
	k := judge.KernelResult{Name: "6.12"}
	for i, v := range verdicts {
		task := lab.Tasks[i]
		k.Tasks = append(k.Tasks, judge.TaskResult{ID: task.ID, Title: task.Title, Points: task.Points * v.Fraction, MaxPoints: task.Points, Verdict: v})
		k.Score += task.Points * v.Fraction
	}
	return judge.Result{Score: k.Score, MaxScore: 100, Complete: true, Kernels: []judge.KernelResult{k}}
}

func graded(r judge.Result, next ...string) Graded {
	return Graded{Report: report.Report{Lab: "lab1", Result: r, Next: next}, Time: began.Add(1500 * time.Millisecond)}
}

var (
	start   = Began{Kernels: []string{"6.12"}, Time: began}
	ok      = verdict("ok", "")
	lost    = verdict("LOST", "7 of 9 updates lost", "the first", "the second")
	costly  = verdict("75", "75 instructions; 50 is the target")
	refused = Graded{Report: report.Report{
		Lab: "lab1", Result: result(verdict("-", "does not compile"), verdict("-", ""), verdict("-", "")),
		Refused: &report.Refusal{Reason: "does not compile: counter.bpf.c:3:1: error", Details: []string{"counter.bpf.c:3:1: error: expected ';'", "int x", "     ^"}},
		Next:    []string{"next: fix this first; nothing was run."},
	}, Time: began.Add(200 * time.Millisecond)}
)

// Of each grade is shown what is known so far.
func TestStages(t *testing.T) {
	u := sits(t, 80, 24)
	assert.Contains(t, u.sees(), "watching labs/lab1: counter.bpf.c, part.h")
	u.told(start)
	assert.Contains(t, u.sees(), "compiling, 0.0 s")
	assert.Contains(t, u.sees(), "Linux 6.12")
	assert.Regexp(t, `(?m)^ 2 two CPUs +… +/40$`, u.sees())

	u.told(Loading{})
	assert.Contains(t, u.sees(), "loading on 6.12, 0.0 s")
	u.told(Loaded{result(ok)}, Doing{"6.12 exact", "start: qemu-system-x86_64 -nodefaults"}, Doing{"6.12 smp", "round 3 of 16"})
	assert.Contains(t, u.sees(), "grading on 6.12, 0.0 s: smp round 3 of 16\n")
	assert.Regexp(t, `(?m)^ 1 verifier +ok +10/10$`, u.sees())
	assert.Regexp(t, `(?m)^ 2 two CPUs +… +/40$`, u.sees())
	assert.NotContains(t, u.sees(), "score")
	u.told(Doing{"6.12 smp", ""})
	assert.Contains(t, u.sees(), "grading on 6.12, 0.0 s\n")

	g := graded(result(ok, lost, costly), "next: task 2.")
	g.Before = result(ok, verdict("WRONG", ""), ok)
	g.Report.Change = "-50.0 since the last grade"
	u.told(g)
	assert.Contains(t, u.sees(), "graded on 6.12 at 03:04:06, after 1.5 s")
	assert.Regexp(t, `(?m)^▸2 two CPUs +LOST +0/40   WRONG → LOST$`, u.sees())
	assert.Regexp(t, `(?m)^ 3 cost of a packet +75 +0/50   ok → 75  -50$`, u.sees())
	assert.Regexp(t, `(?m)^ 1 verifier +ok +10/10$`, u.sees())
	assert.Regexp(t, `(?m)^ +score  10/100   -50.0 since the last grade$`, u.sees())
	assert.Contains(t, u.sees(), "── 2 two CPUs ──")
	assert.Contains(t, u.sees(), " 2 7 of 9 updates lost\n│ the first\n│ the second\n")
	assert.NotContains(t, u.sees(), "next: task 2", "it is shown")

	u.told(start, Loaded{result(verdict("NO", "rejected: R0 is a scalar"))})
	assert.Contains(t, u.sees(), "▸1 verifier")
	assert.Contains(t, u.sees(), " 1 rejected: R0 is a scalar")
	u.told(graded(result(verdict("NO", "rejected"), verdict("-", ""), verdict("-", "")), "next: task 1."))
	assert.Contains(t, u.sees(), "next: task 1.", "nothing passed")

	u.told(start, Loaded{result(ok)}, graded(result(ok, ok, ok), "passed on all kernels.", "Now read the notes."))
	assert.Contains(t, u.sees(), "passed on all kernels.\n\nNow read the notes.")
	assert.NotContains(t, u.sees(), "▸")
}

// A narrow screen has what has changed below the table.
func TestChangesBelow(t *testing.T) {
	u := sits(t, 50, 40)
	g := graded(result(ok, ok, costly))
	g.Before = result(ok, lost, costly)
	g.Report.Change = "+40.0 since the last grade"
	u.told(start, g)
	assert.Contains(t, u.sees(), "\n+40.0 since the last grade\n 2 two CPUs  LOST → ok  +40\n──")
}

func TestRefused(t *testing.T) {
	u := sits(t, 80, 24)
	u.told(start, refused)
	assert.Contains(t, u.sees(), "refused at 03:04:05, after 0.2 s")
	assert.Contains(t, u.sees(), "── fix this first ──")
	assert.Contains(t, u.sees(), "nothing was run: does not compile: counter.bpf.c:3:1: error\n│ counter.bpf.c:3:1: error: expected ';'\n│ int x\n│      ^\n")
	assert.Contains(t, u.sees(), "next: fix this first")
	assert.NotContains(t, u.sees(), "1 verifier", "no task was judged")
	assert.NotContains(t, u.bottom(), "hint")
	assert.Nil(t, u.press("h"))
}

// Each press shows one hint more. They stay until something else is found.
func TestHints(t *testing.T) {
	u := sits(t, 80, 30)
	u.told(start, graded(result(ok, verdict("EXTRA", "2 too many"), costly)))
	assert.Contains(t, u.bottom(), "h hint")
	assert.NotContains(t, u.sees(), "race")
	u.press("h")
	assert.Contains(t, u.sees(), "hint 1 of 3: race extra")
	assert.NotContains(t, u.sees(), "race one")
	u.press("h")
	assert.Contains(t, u.sees(), "hint 2 of 3: race one")
	assert.NotContains(t, u.sees(), "race two")

	u.told(start)
	assert.Contains(t, u.sees(), "hint 2 of 3: race one", "while the next grade is under way")
	assert.NotContains(t, u.sees(), "2 too many")
	u.told(Loaded{result(ok)})
	assert.Contains(t, u.sees(), "hint 2 of 3: race one")
	u.told(refused)
	assert.NotContains(t, u.sees(), "race one")
	u.told(start, graded(result(ok, verdict("EXTRA", "1 too many"), costly)))
	assert.Contains(t, u.sees(), "hint 2 of 3: race one")
	assert.NotContains(t, u.sees(), "race two")
	u.press("h")
	assert.Contains(t, u.sees(), "hint 3 of 3: race two")
	assert.NotContains(t, u.bottom(), "h hint")
	u.press("h")

	u.told(start, graded(result(ok, lost, costly)))
	assert.NotContains(t, u.sees(), "hint 1", "something else was found")
	u.press("h")
	assert.Contains(t, u.sees(), "hint 1 of 2: race one")
	u.told(start, graded(result(ok, ok, costly)))
	assert.NotContains(t, u.sees(), "race")
	u.press("h")
	assert.Contains(t, u.sees(), "hint 1 of 1: cost one")
}

// A hint that was asked for is seen, however far down it is.
func TestHintIsSeen(t *testing.T) {
	var log []string
	for i := range 40 {
		log = append(log, fmt.Sprintf("line %d", i))
	}
	for _, rows := range []int{24, 16, 10} { // in the lowest window the table scrolls as well
		u := sits(t, 60, rows)
		u.told(start, graded(result(verdict("NO", "rejected", log...), verdict("-", ""), verdict("-", ""))))
		for _, want := range []string{"hint 1 of 3: verifier one", "hint 2 of 3: verifier two", "hint 3 of 3: verifier three"} {
			assert.NotContains(t, u.sees(), want)
			u.press("h")
			assert.Contains(t, u.sees(), want, "%d rows", rows)
		}
		u.told(tea.KeyPressMsg{Code: tea.KeyUp})
		assert.NotContains(t, u.sees(), "hint 3 of 3: verifier three", "it was at the end")
	}
}

func TestSteps(t *testing.T) {
	u := sits(t, 80, 24)
	u.told(start)
	u.press("np")
	u.told(graded(result(ok, lost, costly)))
	for _, step := range []struct{ key, shown string }{{"n", "▸3"}, {"n", "▸2"}, {"p", "▸3"}, {"p", "▸2"}, {"n", "▸3"}} {
		u.press(step.key)
		assert.Contains(t, u.sees(), step.shown)
	}
	assert.Contains(t, u.sees(), " 3 75 instructions; 50 is the target")
	u.told(start, Loaded{result(ok)})
	assert.Contains(t, u.sees(), "▸3", "somebody has chosen it")
	u.told(graded(result(ok, lost, costly)))
	assert.Contains(t, u.sees(), "▸3")
	u.told(start, refused, start, graded(result(ok, lost, costly)))
	assert.Contains(t, u.sees(), "▸3")
	u.told(start, graded(result(ok, lost, ok)))
	assert.Contains(t, u.sees(), "▸2", "task 3 has passed")
	assert.NotContains(t, u.bottom(), "next task", "there is no other")
	u.told(start, graded(result(ok, ok, costly)))
	assert.Contains(t, u.sees(), "▸3")

	// The kernel with the lowest score decides which task is shown.
	r := result(verdict("NO", "rejected"), ok, ok)
	r.Kernels = append(r.Kernels, result(ok, lost, ok).Kernels[0])
	r.Kernels[1].Name = "7.3"
	u.told(start, graded(r))
	assert.Contains(t, u.sees(), "▸2")
	assert.Contains(t, u.sees(), "7.3: 7 of 9 updates lost")
	u.press("n")
	assert.Contains(t, u.sees(), "▸1")
}

func TestKeysAsk(t *testing.T) {
	u := sits(t, 80, 24)
	for key, want := range map[string]tea.Msg{"l": asked("list"), "d": asked("diff"), "r": asked("again"), "a": asked("all"), "q": tea.QuitMsg{}, "x": nil} {
		assert.Equal(t, want, u.press(key), key)
	}
	cmd := u.told(tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl})
	require.NotNil(t, cmd)
	assert.Equal(t, tea.QuitMsg{}, cmd())
}

// A page is there until somebody closes it, or saves.
func TestPages(t *testing.T) {
	u := sits(t, 80, 24)
	page := Page{Title: "labs", Text: "lab best\nlab1 10\n"}
	u.told(start, graded(result(ok, lost, costly)), page)
	assert.Contains(t, u.sees(), "── labs ──")
	assert.Contains(t, u.sees(), "\nlab best\nlab1 10\n")
	assert.NotContains(t, u.sees(), "two CPUs")
	assert.Contains(t, u.bottom(), "esc back")
	u.told(tea.KeyPressMsg{Code: tea.KeyEscape})
	assert.Contains(t, u.sees(), "7 of 9 updates lost")
	assert.NotContains(t, u.bottom(), "esc")

	for _, key := range []string{"h", "n"} {
		u.told(page)
		u.press(key)
		assert.NotContains(t, u.sees(), "lab1 10", key)
	}
	u.told(start, page, Loaded{result(ok)}, graded(result(ok, lost, costly)))
	assert.Contains(t, u.sees(), "lab1 10", "that a grade ends is no reason to close it")
	u.told(start)
	assert.NotContains(t, u.sees(), "lab1 10")

	// What is too wide can be seen too.
	u.told(tea.WindowSizeMsg{Width: 50, Height: 24}, Page{Title: "diff", Diff: true, Text: "+" + strings.Repeat("x", 60) + "end"})
	assert.Contains(t, u.bottom(), "←→ scroll")
	for range 3 {
		u.told(tea.KeyPressMsg{Code: tea.KeyRight})
	}
	assert.Contains(t, u.sees(), "xend")
}

func TestDiffInColour(t *testing.T) {
	m := New(lab, Asks{}, true)
	next, _ := m.Update(Page{Diff: true, Text: "@@ -1 +1 @@\n-old\n+new\n same"})
	content := next.(Model).View().Content
	for _, want := range []string{"\x1b[36m@@ -1 +1 @@", "\x1b[31m-old", "\x1b[32m+new"} {
		assert.Contains(t, content, want)
	}
}

func TestGone(t *testing.T) {
	u := sits(t, 80, 24)
	u.told(Gone{[]string{"counter.bpf.c"}})
	assert.Contains(t, u.sees(), "counter.bpf.c is gone.")
	u.told(Gone{[]string{"counter.bpf.c", "reader.go"}})
	assert.Contains(t, u.sees(), "counter.bpf.c, reader.go are gone.")
	u.told(Watching{"labs/lab1", []string{"counter.bpf.c", "reader.go"}})
	assert.NotContains(t, u.sees(), "gone")
}

func TestFailed(t *testing.T) {
	u := sits(t, 80, 24)
	u.told(start, Notice{"a guest failed\nand this is its console"}, Failed{errors.New("QEMU is missing"), began.Add(time.Second)})
	assert.Contains(t, u.sees(), "not graded at 03:04:06, after 1.0 s")
	assert.Contains(t, u.sees(), "QEMU is missing")
	assert.Contains(t, u.sees(), "note: a guest failed\n")
	assert.NotContains(t, u.sees(), "verifier")
	u.told(start)
	assert.NotContains(t, u.sees(), "note")
	assert.NotContains(t, u.sees(), "missing")
}

// What scrolls says where it is.
func TestScrolling(t *testing.T) {
	u := sits(t, 80, 24)
	var log []string
	for i := range 40 {
		log = append(log, fmt.Sprintf("line %d.", i))
	}
	u.told(start, graded(result(verdict("NO", "rejected", log...), verdict("-", ""), verdict("-", ""))))
	assert.Contains(t, u.sees(), "│ line 0.")
	assert.Contains(t, u.bottom(), "↑↓ scroll")
	height := u.m.view.Height()
	assert.Contains(t, u.sees(), fmt.Sprintf(" 1-%d of %d ──\n", height, u.m.view.TotalLineCount()))
	u.told(tea.KeyPressMsg{Code: tea.KeyDown})
	assert.Contains(t, u.sees(), fmt.Sprintf(" 2-%d of ", height+1))
	u.told(tea.KeyPressMsg{Code: tea.KeyPgDown})
	assert.NotContains(t, u.sees(), "│ line 0.")
	assert.Contains(t, u.sees(), "1 verifier", "the table stays")
	u.told(tea.KeyPressMsg{Code: tea.KeyUp})
	u.told(start, graded(result(ok, lost, costly)))
	assert.Contains(t, u.sees(), "7 of 9 updates lost")
	assert.NotContains(t, u.bottom(), "↑↓")

	// In a low window the table scrolls as well.
	u.told(tea.WindowSizeMsg{Width: 80, Height: 12})
	assert.Contains(t, u.sees(), "1 verifier")
	u.told(tea.KeyPressMsg{Code: tea.KeyPgDown})
	assert.NotContains(t, u.sees(), "1 verifier")
	assert.Contains(t, u.sees(), "│ the second")
}

// The spinner turns while something goes on, and no longer.
func TestSpinner(t *testing.T) {
	u := sits(t, 80, 24)
	cmd := u.told(start)
	require.NotNil(t, cmd)
	tick, is := cmd().(spinner.TickMsg)
	require.True(t, is)
	tick.Time = began.Add(2 * time.Second)
	assert.NotNil(t, u.told(tick), "it goes on")
	assert.Contains(t, u.sees(), "compiling, 2.0 s")
	assert.Nil(t, u.told(start), "one is enough")
	assert.Nil(t, u.told(graded(result(ok, ok, ok)), tick))
}

// states are screens of all kinds.
var states = map[string][]tea.Msg{
	"nothing yet":   {},
	"compiling":     {start},
	"grading":       {start, Loaded{result(ok)}, Doing{"6.12 exact", strings.Repeat("busy ", 40)}},
	"refused":       {start, refused},
	"lost":          {start, graded(result(ok, lost, costly), strings.Repeat("next ", 40))},
	"changed":       {start, Graded{Report: report.Report{Result: result(ok, ok, costly), Change: "+40.0 since the last grade"}, Before: result(ok, lost, ok)}},
	"passed":        {start, graded(result(ok, ok, ok), strings.Repeat("read this ", 40))},
	"hints":         {start, graded(result(ok, lost, costly)), tea.KeyPressMsg{Code: 'h', Text: "h"}, tea.KeyPressMsg{Code: 'h', Text: "h"}},
	"page":          {start, graded(result(ok, lost, costly)), Page{Title: strings.Repeat("title ", 40), Text: strings.Repeat(strings.Repeat("word ", 40)+"\n", 50)}},
	"gone":          {Gone{[]string{strings.Repeat("x", 80), "counter.bpf.c"}}},
	"failed":        {start, Notice{strings.Repeat("note ", 80)}, Failed{errors.New(strings.Repeat("trouble ", 40)), began}},
	"seven kernels": {Began{[]string{"5.10", "6.1", "6.12", "6.18", "7.3", "mine", "host"}, began}},
}

// Nothing is wider or higher than the terminal, and the keys are named where there is room for more than them.
func TestFits(t *testing.T) {
	for name, messages := range states {
		for _, columns := range []int{30, 50, 51, 63, 80, 97, 132} {
			for _, rows := range []int{1, 2, 3, 5, 8, 12, 16, 24, 50} {
				u := sits(t, columns, rows)
				u.told(messages...)
				all := strings.Split(u.sees(), "\n")
				assert.LessOrEqual(t, len(all), rows, "%s in %dx%d:\n%s", name, columns, rows, u.sees())
				for _, line := range all {
					assert.LessOrEqual(t, ansi.StringWidth(line), columns, "%s in %dx%d: %s", name, columns, rows, line)
				}
				if rows >= 12 {
					assert.Contains(t, u.sees(), "q quit", "%s in %dx%d", name, columns, rows)
				}
				// The same after the window was larger.
				resized := sits(t, 140, 60)
				resized.told(messages...)
				resized.told(tea.WindowSizeMsg{Width: columns, Height: rows})
				assert.Equal(t, len(all), len(strings.Split(resized.sees(), "\n")), "%s in %dx%d", name, columns, rows)
			}
		}
	}
}

// No text of others reaches the terminal as it is.
func TestHostileText(t *testing.T) {
	const evil = "\x1b]0;title\a\x1b[2J\u202eEVIL\r\u200b"
	bad := judge.Verdict{Status: judge.Fail, Cell: evil, Message: evil, Details: []string{evil, evil}}
	hostile := graded(result(ok, bad, bad), evil)
	hostile.Before, hostile.Report.Change = result(bad, ok, ok), evil
	for name, messages := range map[string][]tea.Msg{
		"names":   {Watching{evil, []string{evil}}, Began{[]string{evil}, began}},
		"gone":    {Gone{[]string{evil}}},
		"doing":   {start, Doing{evil, evil}},
		"notice":  {start, Notice{evil + "\n" + evil}},
		"loaded":  {start, Loaded{result(bad)}},
		"graded":  {start, hostile},
		"refused": {start, Graded{Report: report.Report{Result: result(bad, bad, bad), Refused: &report.Refusal{Reason: evil, Details: []string{evil}}}}},
		"failed":  {start, Failed{errors.New(evil), began}},
		"page":    {Page{Title: evil, Text: evil}},
		"diff":    {Page{Title: evil, Text: "+" + evil, Diff: true}},
	} {
		for _, colour := range []bool{false, true} {
			u := sits(t, 100, 40)
			u.m.colour = colour
			u.told(messages...)
			content := u.m.View().Content
			assert.Contains(t, content, "EVIL", name)
			for _, sequence := range []string{"\x1b]", "\a", "\x1b[2J", "\u202e", "\r", "\u200b"} {
				assert.NotContains(t, content, sequence, name)
			}
		}
	}
}
