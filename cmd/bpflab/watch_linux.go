// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/fsnotify/fsnotify"
	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/record"
	"bpflab/harness/host/screen"
	"bpflab/runner"
	"bpflab/vm/kernels"
)

func watchCommand(h *host) *cobra.Command {
	var (
		from  string
		names []string
		plain bool
	)
	cmd := &cobra.Command{
		Use:   "watch LAB",
		Short: "Grade again on every save",
		Long: `Grade again on every save: what the compiler says, then what the kernel's verifier says, then the
tasks and what has changed. A save ends the grade of the one before.

To be quick, it grades on Linux ` + quickKernel + `, unless --kernels names others. The score is that of all
kernels: the key a grades once on all of them. Other keys give hints, show what has changed since the
submission passed, and list the labs; the last line on the screen names them.

Where the output or the input is no terminal, and with --plain, it prints one report after another.
Ctrl-C ends the watch.`,
		Args: labArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			lab, err := harness.Find(labs, args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			source, err := runner.FindSubmission(lab, from)
			if err != nil {
				return &exit{exitUsage, err}
			}
			if names == nil {
				names = []string{quick(lab)}
			}
			if names, err = h.Choose(names, lab.Needs.Oldest); err != nil {
				return err
			}
			w := &watch{host: h, lab: lab, source: source, from: from, names: names, again: make(chan []string), before: map[string]judge.KernelResult{}}
			out := cmd.OutOrStdout()
			if plain || !isTerminal(out) || !isTerminal(os.Stdin) || slices.Contains([]string{"", "dumb"}, os.Getenv("TERM")) {
				return w.inPlain(cmd.Context(), out)
			}
			return w.onScreen(cmd.Context(), out)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "folder of the submission (default: labs/LAB of the clone)")
	cmd.Flags().StringSliceVar(&names, "kernels", nil, "kernels to grade on (default: "+quickKernel+", or the oldest that the lab runs on)")
	cmd.Flags().BoolVar(&plain, "plain", false, "print one report after another, as where there is no terminal")
	h.sandboxFlag(cmd)
	return cmd
}

// quick is the kernel to grade on where nobody has named one, and time matters.
func quick(lab *harness.Lab) string {
	list := kernels.Since(lab.Needs.Oldest)
	if slices.Contains(list, quickKernel) || len(list) == 0 {
		return quickKernel
	}
	return list[0]
}

// watch grades a submission now and whenever its text changes.
type watch struct {
	*host
	lab    *harness.Lab
	source runner.Submission
	from   string
	names  []string      // kernels
	again  chan []string // asks for a grade on kernels
	show   func(tea.Msg) // is told what package screen says

	before map[string]judge.KernelResult // the last of each kernel
}

const (
	// settled is how long a file must be left alone: editors save in several steps. A step that takes longer
	// costs a grade that the next one ends.
	settled = 15 * time.Millisecond
	// missing is how long a file may be gone between two such steps.
	missing = 300 * time.Millisecond
	// lookAgain is when to look whether a missing file is back: no event says that its folder is.
	lookAgain = time.Second
)

// run watches until ctx ends.
func (w *watch) run(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", w.source.BPF, err)
	}
	defer watcher.Close()
	// The folder: an editor may put a new file in the old one's place.
	folder := filepath.Dir(w.source.BPF)
	if err := watcher.Add(folder); err != nil {
		return fmt.Errorf("watch %s: %w", folder, err)
	}
	w.lastGrade()
	var (
		text  string // that is graded or was
		files []string
		gone  []string
		names = w.names
		stop  = func() {}
		look  = time.NewTimer(0)
	)
	defer func() { stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-watcher.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watch %s: %w", folder, err)
			}
			look.Reset(settled)
		case event := <-watcher.Events:
			if w.source.Has(event.Name) {
				look.Reset(settled)
			}
		case names = <-w.again:
			text = ""
			look.Reset(0)
		case <-look.C:
			if gone != nil {
				_ = watcher.Add(folder) // which may be another one now
			}
			sum, err := w.source.Sum()
			if errors.Is(err, fs.ErrNotExist) {
				now := w.gone()
				switch {
				case gone == nil: // between two steps of an editor, or for longer
					gone = []string{}
					look.Reset(missing)
					continue
				case !slices.Equal(gone, now):
					gone = now
					w.show(screen.Gone{Files: now})
				}
				look.Reset(lookAgain)
				continue
			}
			all, _ := w.source.All()
			if len(gone) > 0 || !slices.Equal(all, files) {
				files = all
				w.show(w.watching(all))
			}
			gone = nil
			if err == nil && sum == text {
				continue
			}
			stop()
			text = sum
			on := names
			names = w.names
			stop = start(ctx, func(ctx context.Context) { w.grade(ctx, on, err) })
		}
	}
}

// gone names the files of a submission that are missing.
func (w *watch) gone() (names []string) {
	for _, path := range w.source.Files() {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			names = append(names, filepath.Base(path))
		}
	}
	return names
}

func (w *watch) watching(paths []string) screen.Watching {
	folder := filepath.Dir(w.source.BPF)
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, folder); err == nil && filepath.IsLocal(rel) {
			folder = rel
		}
	}
	m := screen.Watching{Folder: folder}
	for _, path := range paths {
		m.Files = append(m.Files, filepath.Base(path))
	}
	return m
}

// start runs f beside the caller. What it returns ends f and waits for that.
func start(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// grade shows what comes out of a grade as soon as it is there, unless unreadable says that the files cannot be
// read. Of a grade that a newer save has ended it shows nothing.
func (w *watch) grade(ctx context.Context, names []string, unreadable error) {
	show := func(m tea.Msg) {
		if ctx.Err() == nil {
			w.show(m)
		}
	}
	show(screen.Began{Kernels: names, Time: time.Now()})
	err := unreadable
	if err == nil {
		err = w.inStages(ctx, names, show)
	}
	if err != nil {
		show(screen.Failed{Err: err, Time: time.Now()})
	}
}

func (w *watch) inStages(ctx context.Context, names []string, show func(tea.Msg)) error {
	now, g, err := w.prepare(ctx, w.lab, w.source, names)
	if err != nil {
		return err
	}
	if g.Receipt.Refused != nil {
		s := scored{lab: w.lab, receipt: g.Receipt, result: g.Receipt.Judge(w.lab.Tasks), from: w.from}
		show(screen.Graded{Report: s.report(), Time: time.Now()})
		_, err := w.finish(ctx, w.lab, now, g) // for the record
		return err
	}
	show(screen.Loading{})
	early, err := g.Early(ctx, w.lab.Tasks[:1]) // the first task needs no more than that
	if err != nil {
		return err
	}
	show(screen.Loaded{Result: early})
	s, err := w.finish(ctx, w.lab, now, g)
	if err != nil {
		return err
	}
	m := screen.Graded{Before: w.last(names), Time: time.Now()}
	s.from, s.change = w.from, ""
	if len(m.Before.Kernels) > 0 && s.result.Complete {
		s.change = compared(m.Before.Score, s.result.Score, "the last grade")
	}
	m.Report = s.report()
	show(m)
	w.keep(s.result)
	return nil
}

// last is what the last grades say of kernels; nothing if one of them is new.
func (w *watch) last(names []string) (r judge.Result) {
	for i, name := range names {
		k, ok := w.before[name]
		if !ok {
			return judge.Result{}
		}
		if r.Kernels = append(r.Kernels, k); i == 0 || k.Score < r.Score {
			r.Score = k.Score
		}
	}
	return r
}

// keep has last know of a result.
func (w *watch) keep(r judge.Result) {
	for _, k := range r.Kernels {
		if !k.Undecided() {
			w.before[k.Name] = k
		}
	}
}

// lastGrade has last know of the grade before this watch, if that was of the same folder. If there is none that can
// be read, there is nothing to compare with.
func (w *watch) lastGrade() {
	rec := record.Of(w.lab.Name)
	grades, err := rec.All()
	folder, absErr := filepath.Abs(filepath.Dir(w.source.BPF))
	if err != nil || absErr != nil || len(grades) == 0 || grades[len(grades)-1].Folder != folder {
		return
	}
	r, err := receipt.ReadFile(rec.Receipt())
	if err != nil || r.Refused != nil || r.Of(w.lab) != nil {
		return
	}
	if _, err := r.Consistent(os.Getenv(receiptKey)); err == nil {
		w.keep(r.Judge(w.lab.Tasks))
	}
}
