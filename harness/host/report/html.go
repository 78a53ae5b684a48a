// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"bpflab/harness/host/judge"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"points": Points, "cell": cell, "mark": mark, "word": word, "list": Enumerate, "paragraph": paragraph,
}).Parse(pageText))

type (
	// page is the report by task, as the template shows it.
	page struct {
		Report
		Tasks  []task
		Lost   []lost
		Charts []template.HTML
	}
	// lost is what the grader could not judge, and why.
	lost struct {
		Kernels, Tasks []string // no tasks: all of them
		Message        string
	}
	// task is a task on all kernels.
	task struct {
		N           int
		Title       string
		Status      judge.Status // the worst
		Points, Max float64
		Cells       []judge.TaskResult // kernel by kernel
		Findings    []finding          // the worst first
		Measured    string             // on all kernels
		Target      string
	}
	// finding is what some kernels agree on.
	finding struct {
		judge.TaskResult // of the first
		Kernels          []string
		results          []judge.TaskResult
		Measured, Target string
	}
)

// HTML writes the report as a page that needs nothing but itself: no network, no scripts.
func (r Report) HTML(w io.Writer) error {
	r = r.clean()
	r.Of = cmp.Or(r.Of, r.Lab)
	p := page{Report: r}
	if kernels := r.Result.Kernels; len(kernels) > 0 && r.Refused == nil {
		least := r.Result.Lowest()
		for n := range least.Tasks {
			p.Tasks = append(p.Tasks, onAll(kernels, n, least.Tasks[n]))
		}
		p.Lost = ungraded(kernels)
	}
	for _, f := range r.Figures {
		var svg bytes.Buffer
		if err := f.SVG(&svg); err != nil {
			return fmt.Errorf("draw %s: %w", f.Name(), err)
		}
		// Our own drawing: package figure escapes the texts in it.
		p.Charts = append(p.Charts, template.HTML(svg.String()))
	}
	return pageTemplate.Execute(w, p)
}

// Passed are the tasks to show in short: those that passed on each kernel that can do them.
func (p page) Passed() []task {
	return p.some(func(t task) bool { return t.Status == judge.Pass })
}

// Failed are the tasks of which there is something to say.
func (p page) Failed() []task {
	return p.some(func(t task) bool { return t.Status != judge.Pass && t.Status != judge.Error && !t.unjudged() })
}

// Unjudged are the tasks that another one, which did not pass, keeps from being judged on every kernel.
func (p page) Unjudged() []task { return p.some(task.unjudged) }

func (p page) some(which func(task) bool) []task {
	return slices.DeleteFunc(slices.Clone(p.Tasks), func(t task) bool { return !which(t) })
}

// onAll is task n on all kernels. Its points are those of the kernel that decides.
func onAll(kernels []judge.KernelResult, n int, deciding judge.TaskResult) task {
	t := task{N: n + 1, Title: deciding.Title, Status: judge.Error, Points: deciding.Points, Max: deciding.MaxPoints}
	for _, k := range kernels {
		r := k.Tasks[n]
		t.Cells = append(t.Cells, r)
		if severity(r.Status) > severity(t.Status) {
			t.Status = r.Status
		}
		if r.Status == judge.Error {
			continue // the grader's trouble: ungraded
		}
		i := slices.IndexFunc(t.Findings, func(f finding) bool { return f.agrees(r) })
		if i < 0 {
			i = len(t.Findings)
			t.Findings = append(t.Findings, finding{TaskResult: r})
		}
		f := &t.Findings[i]
		f.Kernels, f.results = append(f.Kernels, k.Name), append(f.results, r)
		// What did not pass on target failed for another reason, and nothing was measured.
		if r.Status == judge.Pass || r.Measured.Value != r.Target.Value {
			f.Measured, f.Target = quantities(f.results)
		}
	}
	t.Measured, t.Target = quantities(t.Cells)
	slices.SortStableFunc(t.Findings, func(a, b finding) int {
		return cmp.Or(severity(b.Status)-severity(a.Status), cmp.Compare(a.Fraction, b.Fraction))
	})
	return t
}

func (f finding) agrees(r judge.TaskResult) bool {
	return f.Status == r.Status && f.Message == r.Message && slices.Equal(f.Details, r.Details)
}

// severity orders statuses by how much they say of a submission.
func severity(s judge.Status) int {
	return slices.Index([]judge.Status{judge.Error, judge.Skip, judge.Pass, judge.Inconclusive, judge.Partial, judge.Fail}, s)
}

// ungraded is what the grader failed on, once where kernels agree.
func ungraded(kernels []judge.KernelResult) (all []lost) {
	for _, k := range kernels {
		var here []lost
		for _, t := range k.Tasks {
			if t.Status != judge.Error {
				continue
			}
			i := slices.IndexFunc(here, func(l lost) bool { return l.Message == t.Message })
			if i < 0 {
				i = len(here)
				here = append(here, lost{Message: t.Message})
			}
			here[i].Tasks = append(here[i].Tasks, t.Title)
		}
		for _, l := range here {
			if len(l.Tasks) == len(k.Tasks) {
				l.Tasks = nil
			}
			i := slices.IndexFunc(all, func(a lost) bool { return a.Message == l.Message && slices.Equal(a.Tasks, l.Tasks) })
			if i < 0 {
				i = len(all)
				all = append(all, l)
			}
			all[i].Kernels = append(all[i].Kernels, k.Name)
		}
	}
	return all
}

// Everywhere says whether all kernels agree.
func (t task) Everywhere() bool { return len(t.Findings[0].Kernels) == len(t.Cells) }

// Silent says that there is no more to know of the others than their status.
func (t task) Silent() bool {
	return !slices.ContainsFunc(t.Findings[1:], func(f finding) bool { return f.Message != "" || f.Measured != "" || len(f.Details) > 0 })
}

// Others are the kernels that do not say what the worst of them do.
func (t task) Others() (kernels []string) {
	for _, f := range t.Findings[1:] {
		kernels = append(kernels, f.Kernels...)
	}
	return kernels
}

// Part is how much of its points a task has, in per cent.
func (t task) Part() float64 { return 100 * t.Points / max(t.Max, 1) }

// unjudged says that another task, which did not pass, kept this one from being judged on every kernel.
func (t task) unjudged() bool {
	return t.Status == judge.Fail && t.Everywhere() && t.Cells[0].Waits
}

// Hinted says whether a hint can help.
func (t task) Hinted() bool {
	return slices.Contains([]judge.Status{judge.Fail, judge.Partial, judge.Inconclusive}, t.Status)
}

// quantities are what was measured, and its target: a number, or a range where kernels differ.
func quantities(results []judge.TaskResult) (measured, target string) {
	var unit string
	var found, wanted []float64
	for _, r := range results {
		if r.Measured.Unit != "" { // else there was nothing to measure
			unit = r.Measured.Unit
			found, wanted = append(found, r.Measured.Value), append(wanted, r.Target.Value)
		}
	}
	switch {
	case unit == "":
		return "", ""
	case strings.HasPrefix(unit, "%"):
		return between(found) + unit, between(wanted) + "%"
	}
	return between(found) + " " + unit, between(wanted)
}

// between is the range of some quantities, in one unit.
func between(values []float64) string {
	least, most := slices.Min(values), slices.Max(values)
	low, high := number(least), number(most)
	if most >= million && least >= million/100 {
		low = millions(least)
	}
	if low == high {
		return low
	}
	return low + " to " + high
}

const million = 1e6

// number writes a quantity as people do.
func number(v float64) string {
	if math.Abs(v) >= million {
		return millions(v)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func millions(v float64) string {
	return strconv.FormatFloat(math.Round(100*v/million)/100, 'f', -1, 64) + "M"
}

// mark shows a status to those who do not see colours.
func mark(s judge.Status) string {
	return map[judge.Status]string{judge.Pass: "✓", judge.Partial: "◐", judge.Fail: "✗", judge.Error: "!", judge.Inconclusive: "?"}[s]
}

// word is what a status is called.
func word(s judge.Status) string {
	switch s {
	case judge.Pass:
		return "passed"
	case judge.Partial:
		return "passed in part"
	case judge.Fail:
		return "not passed"
	case judge.Error:
		return "grader failed"
	case judge.Skip:
		return "skipped"
	}
	return string(s)
}

// paragraph splits one of what to do next into its first line and a list.
func paragraph(text string) (lines []string) {
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSuffix(strings.TrimPrefix(line, "- "), "\n"))
	}
	return lines
}

// Enumerate joins names as people do: "a, b and c".
func Enumerate(names []string) string {
	if n := len(names) - 1; n > 0 {
		return strings.Join(names[:n], ", ") + " and " + names[n]
	}
	return strings.Join(names, "")
}
