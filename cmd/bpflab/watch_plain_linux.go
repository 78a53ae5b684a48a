// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/screen"
	"bpflab/harness/host/visible"
)

// inPlain prints one report after another, until ctx ends.
func (w *watch) inPlain(ctx context.Context, out io.Writer) error {
	p := plain{w: out, progress: w.progress, title: w.lab.Tasks[0].Title}
	w.show = p.show
	return w.run(ctx)
}

// plain prints what a watch tells.
type plain struct {
	w        io.Writer
	progress *progress
	title    string // of the first task

	mu    sync.Mutex
	files string
	gone  bool
	began time.Time
}

func (p *plain) show(m tea.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress.clear()
	switch m := m.(type) {
	case screen.Watching:
		p.files = m.Folder + "/" + strings.Join(m.Files, ", ")
		if p.gone {
			fmt.Fprintf(p.w, "── %s: back ──\n\n", visible.Line(p.files))
		}
		p.gone = false
	case screen.Gone:
		p.gone = true
		fmt.Fprintf(p.w, "── %s: gone; grading goes on when all files are there ──\n\n", visible.Line(strings.Join(m.Files, ", ")))
	case screen.Began:
		p.began = m.Time
	case screen.Loaded:
		p.verifiers(m.Result)
	case screen.Graded:
		write, err := writer("text", p.w, false)
		if err == nil {
			err = write(m.Report)
		}
		p.end(err, m.Time)
	case screen.Failed:
		p.end(m.Err, m.Time)
	}
}

// verifiers shows what the first task is worth.
func (p *plain) verifiers(result judge.Result) {
	var rejected string
	fmt.Fprint(p.w, p.title+": ")
	for _, k := range result.Kernels {
		task := k.Tasks[0]
		fmt.Fprintf(p.w, " %s %s", k.Name, task.Status)
		if task.Status != judge.Pass {
			rejected += fmt.Sprintf("  %s: %s\n", k.Name, visible.Quote(task.Message))
		}
	}
	fmt.Fprint(p.w, "\n", rejected)
}

// end ends what is printed of a grade.
func (p *plain) end(err error, now time.Time) {
	var e *exit
	if err != nil && !errors.As(err, &e) { // an exit has been told by the report
		fmt.Fprintln(p.w, "bpflab:", visible.Quote(err.Error()))
	}
	fmt.Fprintf(p.w, "\n── %s, after %.1f s; watching %s ──\n\n", now.Format(time.TimeOnly), now.Sub(p.began).Seconds(), visible.Line(p.files))
}
