// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/visible"
)

// Parts are the parts of a text report, for a screen that shows one or the other. Each is made as harmless as a
// report and fits its style's width. None ends with a newline, and what a report does not have is empty.
type Parts struct {
	Table    string   // a row for each task; a task without a status has no verdict yet
	Score    string   // at the right end of the table, and the change since the last grade
	Refusal  string   // why nothing was run
	Findings []string // by task: what was found, and the evidence
	Next     string   // what to do now
	Figure   string   // the first
}

// Parts returns a report's parts.
func (r Report) Parts(style Style) (p Parts) {
	style.Width = max(style.Width, minWidth)
	r = r.clean()
	part := func(write func(*text)) string {
		t := text{Style: style, wrapsEvidence: true}
		write(&t)
		return strings.Trim(t.String(), "\n")
	}
	if r.Refused != nil {
		p.Refusal = part(func(t *text) {
			t.hang("", "nothing was run: "+r.Refused.Reason)
			t.quote(r.Refused.Details)
		})
	} else if kernels := r.Result.Kernels; len(kernels) > 0 {
		wide := 0
		p.Table = part(func(t *text) { wide = t.rows(r) })
		p.Score = part(func(t *text) { t.score(r, wide) })
		for n := range kernels[0].Tasks {
			finding := ""
			if said, all := message(kernels, n), (&text{Style: style}).evidence(kernels, n); said != "" || len(all) > 0 {
				finding = part(func(t *text) { t.finding(n, n, t.messages(kernels, n), all) })
			}
			p.Findings = append(p.Findings, finding)
		}
	}
	p.Next = part(func(t *text) { t.next(r) })
	if len(r.Figures) > 0 {
		p.Figure = part(func(t *text) { r.Figures[0].Text(visible.NewWriter(t), t.Width) })
	}
	return p
}

// Changes says of each task what has changed since the result before, such as "LOST → ok  +20", on the kernels that
// decide the two scores; of one that has not changed, nothing.
func Changes(before, now judge.Result, style Style) []string {
	if len(before.Kernels) == 0 || len(now.Kernels) == 0 {
		return nil
	}
	clean := func(r judge.Result) []judge.TaskResult { return Report{Result: r}.clean().Result.Lowest().Tasks }
	t := text{Style: style}
	was, is := clean(before), clean(now)
	list := make([]string, len(is))
	for n, task := range is {
		if n >= len(was) || cell(was[n]) == cell(task) && was[n].Points == task.Points {
			continue
		}
		short := func(t judge.TaskResult) string { return ansi.Truncate(cell(t), maxCell, "…") }
		list[n] = t.paint(was[n].Status, short(was[n])) + " → " + t.paint(task.Status, short(task))
		if gain := task.Points - was[n].Points; gain > 0 {
			list[n] += "  +" + Points(gain)
		} else if gain < 0 {
			list[n] += "  -" + Points(-gain)
		}
	}
	return list
}
