// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/record"
	"bpflab/harness/host/visible"
	"bpflab/runner"
)

func hintCommand() *cobra.Command {
	var (
		step       int
		from, file string
	)
	cmd := &cobra.Command{
		Use:   "hint LAB [TASK]",
		Short: "Show a hint for a task, least revealing first",
		Long: `Show the hints of a task, by its number or id: the first, or as many as --step says,
each more revealing than the one before. What your last grade found comes first. Without a task,
it is the one to work on, as the report named it; before any grade, list the tasks.`,
		Example: "  bpflab hint lab12_1\n  bpflab hint lab12_1 3\n  bpflab hint lab12_1 concurrency --step 2",
		Args:    labArgs(1),
		RunE: guarded(func(cmd *cobra.Command, args []string) error {
			lab, err := harness.Find(labs, args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			var out strings.Builder
			defer func() { _, _ = io.WriteString(cmd.OutOrStdout(), fit(cmd.OutOrStdout(), out.String())) }()
			var last last
			if file != "" {
				last, err = readLast(lab, file)
			} else {
				last, err = lastOf(&out, lab, from, time.Now())
			}
			if err != nil {
				return &exit{exitUsage, err}
			}
			name := ""
			if len(args) == 2 {
				name = args[1]
			}
			return hint(&out, lab, of(lab, from), last, name, step)
		}),
	}
	cmd.Flags().IntVar(&step, "step", 1, "how many hints to show")
	cmd.Flags().StringVar(&from, "from", "", "folder of the submission (default: labs/LAB of the clone)")
	cmd.Flags().StringVar(&file, "receipt", "", "receipt of the grade to go by (default: the last one)")
	return cmd
}

// lastOf is what became of a folder's last grade. What a reader must know of it, it says first: that the files
// have changed since, or that the last grade was of others.
func lastOf(out io.Writer, lab *harness.Lab, from string, now time.Time) (last, error) {
	rec := record.Of(lab.Name)
	grades, err := rec.All()
	if err != nil || len(grades) == 0 {
		return last{}, err
	}
	g := grades[len(grades)-1]
	folder, err := runner.Folder(lab, from)
	if err != nil { // no clone, and no folder named
		folder = g.Folder
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return last{}, err
	}
	if g.Folder != folder {
		fmt.Fprintf(out, "Your last grade was of %s, not of %s, so these hints are not based on a grade.\n\n", visible.Line(g.Folder), visible.Line(folder))
		return last{}, nil
	}
	l, err := readLast(lab, rec.Receipt())
	if err != nil {
		return l, err
	}
	source, err := runner.FindSubmission(lab, folder)
	content := ""
	if err == nil {
		content, err = source.Sum()
	}
	switch {
	case err != nil:
		fmt.Fprintf(out, "What was graded last cannot be read any more: %s\n\n", visible.Quote(err.Error()))
	case content != g.Content:
		fmt.Fprintf(out, "Your files have changed since the last grade (%s), which this goes by. ./bpflab grade %s looks at them as they are now.\n\n",
			since(now.Sub(g.Time)), of(lab, from))
	}
	return l, nil
}

// hint shows the hints of a task that is named or, if name is empty, of the one that the last grade asks for. of is how
// commands name the submission.
func hint(out io.Writer, lab *harness.Lab, of string, last last, name string, step int) error {
	if name == "" && last.next > 0 {
		name = strconv.Itoa(last.next)
	}
	switch {
	case last.refused != nil && (name == "" || name == "1" || name == lab.Tasks[0].ID):
		fmt.Fprintf(out, "your last grade: %s\n\n", visible.Quote(last.refused.Reason))
		for _, detail := range last.refused.Details {
			for _, line := range visible.Lines(detail) {
				fmt.Fprintf(out, "%s%s\n", visible.Mark, line)
			}
		}
		fmt.Fprintf(out, "\nFix this first: nothing was run. Begin with the first line; those after it often follow from it.\nWhat the lab allows: labs/%s/README.md\n", lab.Name)
		return nil
	case last.trouble != "" && name == "":
		fmt.Fprintf(out, "your last grade could not be completed, which is not your submission's fault: %s\n\nGrade again. If the error comes back, ./bpflab doctor checks this machine.\n", visible.Quote(last.trouble))
		return nil
	case name != "":
	case last.passed:
		fmt.Fprintln(out, "your last grade passed every task")
		return nil
	default:
		if last.failed == nil {
			fmt.Fprintf(out, "not graded yet: ./bpflab grade %s\n\n", of)
		}
		for i, t := range lab.Tasks {
			fmt.Fprintf(out, "%d  %-12s %s (%d hints)\n", i+1, t.ID, t.Title, len(t.Hints))
		}
		return nil
	}
	n, task, err := findTask(lab, name)
	if err != nil {
		return &exit{exitUsage, enough{err}}
	}
	return showHints(out, of, n, task, last.failed[task.ID], step)
}

// showHints shows the first hints of a task: the one for what a grade has found, then its own.
func showHints(out io.Writer, of string, n int, task judge.Task, failed judge.TaskResult, step int) error {
	hints := task.HintsOn(failed.Verdict)
	if step < 1 || step > len(hints) {
		return &exit{exitUsage, enough{fmt.Errorf("task %d, %s, has hints 1 to %d, not %d", n, task.Title, len(hints), step)}}
	}
	fmt.Fprintf(out, "task %d, %s\n", n, task.Title)
	if failed.Message != "" {
		fmt.Fprintf(out, "\nyour last grade: %s\n", visible.Quote(failed.Message))
	}
	for i, hint := range hints[:step] {
		fmt.Fprintf(out, "\n%d. %s\n", i+1, hint)
	}
	if step == len(hints) {
		fmt.Fprintln(out, "\nThis was the last hint for this task.")
	} else {
		fmt.Fprintf(out, "\nmore: ./bpflab hint %s %d --step %d\n", of, n, step+1)
	}
	return nil
}

// last is what became of a grade; nothing without one.
type last struct {
	refused *receipt.Refusal
	passed  bool                        // on every kernel of it
	next    int                         // the task to work on, from 1; 0: none, or nothing is known of it
	trouble string                      // the grader's, on the first kernel that it could not grade
	failed  map[string]judge.TaskResult // by task, each as on the first kernel on which it did not pass
}

func readLast(lab *harness.Lab, file string) (l last, err error) {
	r, err := receipt.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, err
	}
	if err := r.Of(lab); err != nil {
		return l, fmt.Errorf("%s: %w", file, err)
	}
	if _, err := r.Consistent(os.Getenv(receiptKey)); err != nil {
		return l, fmt.Errorf("%s: %w", file, err)
	}
	if r.Refused != nil {
		return last{refused: r.Refused}, nil
	}
	result := r.Judge(lab.Tasks)
	l = last{passed: result.Passed(), failed: map[string]judge.TaskResult{}}
	for _, k := range result.Kernels {
		for _, t := range k.Tasks {
			if t.Status == judge.Error && l.trouble == "" {
				l.trouble = "Linux " + k.Name + ": " + t.Message
			}
			if _, ok := l.failed[t.ID]; !ok && (t.Status == judge.Fail || t.Status == judge.Partial) {
				l.failed[t.ID] = t
			}
		}
	}
	if n := result.Next(); n >= 0 {
		if _, ok := l.failed[lab.Tasks[n].ID]; ok {
			l.next = n + 1
		}
	}
	return l, nil
}

// findTask finds a task by its number, from 1, or its id.
func findTask(lab *harness.Lab, name string) (int, judge.Task, error) {
	var ids []string
	for i, t := range lab.Tasks {
		if name == t.ID || name == strconv.Itoa(i+1) {
			return i + 1, t, nil
		}
		ids = append(ids, t.ID)
	}
	return 0, judge.Task{}, fmt.Errorf("%s has the tasks 1 to %d (%s), not %q", lab.Name, len(ids), strings.Join(ids, ", "), name)
}
