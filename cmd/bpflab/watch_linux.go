// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/build"
	"bpflab/harness/judge"
	"bpflab/harness/visible"
	"bpflab/vm/kernels"
)

func watchCommand(m *machine) *cobra.Command {
	var (
		from  string
		names []string
	)
	cmd := &cobra.Command{
		Use:   "watch LAB",
		Short: "Grade again on every save",
		Long: `Grade again on every save: what the compiler says, then what each kernel's verifier says,
then the report. A save ends the grade of the one before. Ctrl-C ends the watch.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			lab, err := harness.Find(labs, args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			source, err := findSubmission(lab, from)
			if err != nil {
				return &exit{exitUsage, err}
			}
			if err := m.known(names); err != nil {
				return err
			}
			return m.watch(cmd.Context(), cmd.OutOrStdout(), lab, source, names)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "folder of the submission (default: labs/LAB of the clone)")
	cmd.Flags().StringSliceVar(&names, "kernels", kernels.Names(), "kernels to grade on")
	m.sandboxFlag(cmd)
	return cmd
}

// settled is how long a file must be left alone: editors save in several steps.
const settled = 40 * time.Millisecond

// watch grades source now and whenever its text changes, until ctx ends.
func (m *machine) watch(ctx context.Context, w io.Writer, lab *harness.Lab, source submission, names []string) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", source.bpf, err)
	}
	defer watcher.Close()
	// The folder: an editor may put a new file in the old one's place.
	if err := watcher.Add(filepath.Dir(source.bpf)); err != nil {
		return fmt.Errorf("watch %s: %w", source.bpf, err)
	}
	var (
		text  string // that is graded or was
		stop  = func() {}
		saved = time.NewTimer(0)
	)
	for {
		select {
		case <-ctx.Done():
			stop()
			return nil
		case err := <-watcher.Errors:
			stop()
			return fmt.Errorf("watch %s: %w", source.bpf, err)
		case event := <-watcher.Events:
			if source.has(event.Name) {
				saved.Reset(settled)
			}
		case <-saved.C:
			sum, err := source.sum()
			if errors.Is(err, os.ErrNotExist) {
				continue // between two steps of an editor; or gone, until it comes back
			}
			if err != nil {
				stop()
				return err
			}
			if sum == text {
				continue
			}
			stop()
			text = sum
			stop = start(ctx, func(ctx context.Context) { m.gradeOnce(ctx, w, lab, source, names) })
		}
	}
}

// has reports whether a path may be a submission's file, or a header beside it.
func (s submission) has(path string) bool {
	return filepath.Ext(path) == ".h" ||
		slices.ContainsFunc(s.files(), func(f string) bool { return filepath.Base(f) == filepath.Base(path) })
}

// sum is that of all of a submission's files, the headers that it includes among them.
func (s submission) sum() (string, error) {
	all, err := build.Content(s.bpf)
	if err != nil || s.program == "" {
		return all, err
	}
	text, err := build.ReadFile(s.program)
	return all + sha256Hex(string(text)), err
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

// gradeOnce shows the verifiers' word as soon as it is there, then the report. Of a grade
// that a newer save has ended it shows nothing.
func (m *machine) gradeOnce(ctx context.Context, w io.Writer, lab *harness.Lab, source submission, names []string) {
	began := time.Now()
	err := func() error {
		g, err := m.prepare(ctx, lab, source, names)
		if err != nil {
			return err
		}
		if err := g.showVerifiers(ctx, w); err != nil {
			return err
		}
		r, result, err := g.finish(ctx)
		if err != nil {
			return err
		}
		write, err := writer("text", w)
		if err != nil {
			return err
		}
		m.progress().clear()
		return show(write, lab, r, result, "")
	}()
	m.progress().clear()
	var e *exit
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && !errors.As(err, &e): // an exit has been told by the report
		fmt.Fprintln(w, "bpflab:", visible.Quote(err.Error()))
	}
	fmt.Fprintf(w, "\n── %s, after %.1f s; watching %s ──\n\n", time.Now().Format(time.TimeOnly), time.Since(began).Seconds(), source.bpf)
}

// showVerifiers loads a submission on each kernel and shows what the first task, which needs
// no more than that, is worth there.
func (g *grading) showVerifiers(ctx context.Context, w io.Writer) error {
	if len(g.kernels) == 0 {
		return nil // refused before: the report says why
	}
	early := *g
	r := *g.receipt
	r.Tools, r.Kernels = maps.Clone(r.Tools), nil
	for _, k := range g.receipt.Kernels {
		k.Guest, k.Guests = map[harness.Kind]judge.Observations{}, map[string]string{}
		r.Kernels = append(r.Kernels, k)
	}
	early.receipt = &r
	if err := early.observe(ctx, []harness.Kind{harness.Load}, false); err != nil {
		return err
	}
	g.progress().clear()
	var rejected string
	first := g.lab.Tasks[:1]
	fmt.Fprint(w, first[0].Title+": ")
	for _, k := range r.Judge(first).Kernels {
		task := k.Tasks[0]
		fmt.Fprintf(w, " %s %s", k.Name, task.Status)
		if task.Status != judge.Pass {
			rejected += fmt.Sprintf("  %s: %s\n", k.Name, visible.Quote(task.Message))
		}
	}
	fmt.Fprint(w, "\n", rejected)
	return nil
}
