// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/visible"
)

// Text writes the report for people: a line for each task, a column for each kernel, then
// what to do next. Nothing that a submission, a guest or a receipt says is written as it is:
// w may be a terminal.
func (r Report) Text(w io.Writer, colour bool) error {
	r = r.clean()
	t := text{colour: colour}
	t.printf("%s  %s   %s  %.7s", r.Lab, r.Title, r.File, r.SourceSHA256)
	if r.Program != "" {
		t.printf("   %s  %.7s", r.Program, r.ProgramSHA256)
	}
	t.printf("\n\n")
	if len(r.Result.Kernels) > 0 {
		t.table(r)
	}
	t.details(r.Result)
	if len(r.Figures) > 0 {
		t.printf("\n")
		r.Figures[0].Text(visible.NewWriter(&t))
	}
	for i, note := range r.Notes {
		if i == 0 {
			t.printf("\n")
		}
		t.printf("note: %s\n", note)
	}
	_, err := io.WriteString(visible.Trusted(w), t.String())
	return err
}

// clean is the report with each text of others made harmless: one line, in which nothing is
// hidden; details stay as many lines as they are.
func (r Report) clean() Report {
	for _, field := range []*string{&r.Lab, &r.Title, &r.File, &r.SourceSHA256, &r.Program, &r.ProgramSHA256} {
		*field = visible.Line(*field)
	}
	kernels := r.Result.Kernels
	r.Result.Kernels = nil
	for _, k := range kernels {
		k.Name, k.Release = visible.Line(k.Name), visible.Line(k.Release)
		tasks := k.Tasks
		k.Tasks = nil
		for _, t := range tasks {
			first, rest, several := strings.Cut(t.Message, "\n")
			if t.Message = visible.Line(first); several && rest != "" {
				t.Message += " …"
			}
			t.Title, t.Cell, t.Status = visible.Line(t.Title), visible.Line(t.Cell), judge.Status(visible.Line(string(t.Status)))
			t.Measured.Unit, t.Target.Unit = visible.Line(t.Measured.Unit), visible.Line(t.Target.Unit)
			details := t.Details
			t.Details = nil
			for _, detail := range details {
				t.Details = append(t.Details, visible.Lines(detail)...)
			}
			k.Tasks = append(k.Tasks, t)
		}
		r.Result.Kernels = append(r.Result.Kernels, k)
	}
	environment := r.Environment
	r.Environment = map[string]string{}
	for name, value := range environment {
		r.Environment[visible.Line(name)] = visible.Line(value)
	}
	notes := r.Notes
	r.Notes = nil
	for _, note := range notes {
		r.Notes = append(r.Notes, visible.Line(note))
	}
	return r
}

type text struct {
	strings.Builder
	colour bool
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(t, format, args...) }

const titleWidth = 22

func (t *text) table(r Report) {
	kernels := r.Result.Kernels
	least := deciding(r.Result)
	widths := make([]int, len(kernels))
	for i, k := range kernels {
		widths[i] = utf8.RuneCountInString(k.Name)
		for _, task := range k.Tasks {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell(task)))
		}
	}
	t.printf("%*s", titleWidth+3, "")
	for i, k := range kernels {
		t.printf("  %*s", widths[i], k.Name)
	}
	t.printf("   points\n")
	for n := range least.Tasks {
		title := least.Tasks[n].Title
		t.printf("%2d %s%*s", n+1, title, titleWidth-utf8.RuneCountInString(title), "")
		for i, k := range kernels {
			c := cell(k.Tasks[n])
			t.printf("  %*s%s", widths[i]-utf8.RuneCountInString(c), "", t.paint(k.Tasks[n].Status, c))
		}
		earned := points(least.Tasks[n].Points) + "/" + points(least.Tasks[n].MaxPoints)
		t.printf("   %6s", earned)
		if m := message(kernels, n); m != "" {
			t.printf("   %s", m)
		}
		t.printf("\n")
	}
	score := points(r.Result.Score) + "/" + points(r.Result.MaxScore)
	indent := titleWidth + 3
	for _, width := range widths {
		indent += width + 2
	}
	t.printf("%*s  %7s", indent, "score", score)
	if !r.Result.Complete {
		t.printf("   provisional: some kernels could not be graded, which is not the submission's fault")
	}
	t.printf("\n")
	t.next(r, least)
}

// deciding is the kernel with the least score: the one whose points are the lab's.
func deciding(r judge.Result) judge.KernelResult {
	least := r.Kernels[0]
	for _, k := range r.Kernels {
		if !k.Undecided() && (least.Undecided() || k.Score < least.Score) {
			least = k
		}
	}
	return least
}

func cell(t judge.TaskResult) string {
	switch {
	case t.Cell != "":
		return t.Cell
	case t.Status == judge.Pass:
		return "ok"
	case t.Status == judge.Inconclusive:
		return "~"
	}
	return strings.ToUpper(string(t.Status))
}

// message is what the kernels say of task n. Where they do not all say the same, the first
// with trouble speaks, with its name.
func message(kernels []judge.KernelResult, n int) string {
	same := true
	speaker := kernels[0]
	for _, k := range kernels {
		if k.Tasks[n].Message != kernels[0].Tasks[n].Message {
			same = false
		}
		if worse(k.Tasks[n], speaker.Tasks[n]) {
			speaker = k
		}
	}
	m := speaker.Tasks[n].Message
	if same || m == "" {
		return m
	}
	return speaker.Name + ": " + m
}

func worse(a, b judge.TaskResult) bool {
	if (a.Status == judge.Error) != (b.Status == judge.Error) {
		return a.Status == judge.Error
	}
	return a.Fraction < b.Fraction
}

func (t *text) next(r Report, least judge.KernelResult) {
	switch n := next(least); {
	case n >= 0:
		t.printf("\nnext: task %d. ./bpflab hint %s %d\n", n+1, r.Lab, n+1)
	case r.Result.Passed():
		t.printf("\npassed on %s.\n", on(r.Result.Kernels))
	}
}

// next is the first task that a hint can help with, or -1.
func next(least judge.KernelResult) int {
	return slices.IndexFunc(least.Tasks, func(task judge.TaskResult) bool {
		return task.Status != judge.Pass && task.Status != judge.Skip && task.Status != judge.Error
	})
}

// on names kernels.
func on(kernels []judge.KernelResult) string {
	if len(kernels) > 1 {
		return fmt.Sprintf("all %d kernels", len(kernels))
	}
	return kernels[0].Name
}

// details prints, for each kernel, the lines that a reader needs to fix what failed; once
// where kernels agree. They quote what others wrote, and are marked, so that none passes for a
// line of the report.
func (t *text) details(r judge.Result) {
	seen := map[string]bool{}
	for _, k := range r.Kernels {
		for _, task := range k.Tasks {
			key := strings.Join(task.Details, "\n")
			if len(task.Details) == 0 || seen[key] || task.Status == judge.Pass {
				continue
			}
			seen[key] = true
			t.printf("\n%s, %s:\n", k.Name, task.Title)
			for _, line := range task.Details {
				t.printf("%s%s\n", visible.Mark, line)
			}
		}
	}
}

// paint colours a status, where colour is wanted.
func (t *text) paint(s judge.Status, word string) string {
	if !t.colour {
		return word
	}
	codes := map[judge.Status]string{judge.Pass: "32", judge.Partial: "33", judge.Fail: "31", judge.Error: "35"}
	if codes[s] == "" {
		return word
	}
	return "\x1b[" + codes[s] + "m" + word + "\x1b[0m"
}
