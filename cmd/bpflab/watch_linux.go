// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/visible"
	"bpflab/runner"
)

func watchCommand(h *host) *cobra.Command {
	var (
		from  string
		names []string
	)
	cmd := &cobra.Command{
		Use:   "watch LAB",
		Short: "Grade again on every save",
		Long: `Grade again on every save: what the compiler says, then what each kernel's verifier says,
then the report. A save ends the grade of the one before. Ctrl-C ends the watch.`,
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
			names, err := h.Choose(names, lab.Needs.Oldest)
			if err != nil {
				return err
			}
			return h.watch(cmd.Context(), cmd.OutOrStdout(), lab, source, names)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "folder of the submission (default: labs/LAB of the clone)")
	cmd.Flags().StringSliceVar(&names, "kernels", nil, "kernels to grade on (default: those of the matrix that the lab runs on)")
	h.sandboxFlag(cmd)
	return cmd
}

// settled is how long a file must be left alone: editors save in several steps.
const settled = 40 * time.Millisecond

// watch grades source now and whenever its text changes, until ctx ends.
func (h *host) watch(ctx context.Context, w io.Writer, lab *harness.Lab, source runner.Submission, names []string) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", source.BPF, err)
	}
	defer watcher.Close()
	// The folder: an editor may put a new file in the old one's place.
	if err := watcher.Add(filepath.Dir(source.BPF)); err != nil {
		return fmt.Errorf("watch %s: %w", source.BPF, err)
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
			return fmt.Errorf("watch %s: %w", source.BPF, err)
		case event := <-watcher.Events:
			if source.Has(event.Name) {
				saved.Reset(settled)
			}
		case <-saved.C:
			sum, err := source.Sum()
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
			stop = start(ctx, func(ctx context.Context) { h.gradeOnce(ctx, w, lab, source, names) })
		}
	}
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
func (h *host) gradeOnce(ctx context.Context, w io.Writer, lab *harness.Lab, source runner.Submission, names []string) {
	began := time.Now()
	err := func() error {
		now, g, err := h.prepare(ctx, lab, source, names)
		if err != nil {
			return err
		}
		if err := h.showVerifiers(ctx, w, lab, g); err != nil {
			return err
		}
		done, err := h.finish(ctx, lab, now, g)
		if err != nil {
			return err
		}
		write, err := writer("text", w, false)
		if err != nil {
			return err
		}
		h.progress.clear()
		return done.show(write, "")
	}()
	h.progress.clear()
	var e *exit
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && !errors.As(err, &e): // an exit has been told by the report
		fmt.Fprintln(w, "bpflab:", visible.Quote(err.Error()))
	}
	fmt.Fprintf(w, "\n── %s, after %.1f s; watching %s ──\n\n", time.Now().Format(time.TimeOnly), time.Since(began).Seconds(), source.BPF)
}

// showVerifiers loads a submission on each kernel and shows what the first task, which needs
// no more than that, is worth there.
func (h *host) showVerifiers(ctx context.Context, w io.Writer, lab *harness.Lab, g *runner.Grading) error {
	first := lab.Tasks[:1]
	result, err := g.Early(ctx, first)
	if err != nil || len(result.Kernels) == 0 {
		return err // without kernels it was refused before, and the report says why
	}
	h.progress.clear()
	var rejected string
	fmt.Fprint(w, first[0].Title+": ")
	for _, k := range result.Kernels {
		task := k.Tasks[0]
		fmt.Fprintf(w, " %s %s", k.Name, task.Status)
		if task.Status != judge.Pass {
			rejected += fmt.Sprintf("  %s: %s\n", k.Name, visible.Quote(task.Message))
		}
	}
	fmt.Fprint(w, "\n", rejected)
	return nil
}
