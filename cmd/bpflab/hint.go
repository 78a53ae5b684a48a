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

	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/visible"
)

func hintCommand() *cobra.Command {
	var (
		step int
		from string
	)
	cmd := &cobra.Command{
		Use:   "hint LAB [TASK]",
		Short: "Show a hint for a task, least revealing first",
		Long: `Show the hints of a task, by its number or id: the first, or as many as --step says,
each more revealing than the one before. What your last grade found comes first. Without a task,
it is the first that did not pass then; before any grade, list the tasks.`,
		Example: "  bpflab hint lab12_1\n  bpflab hint lab12_1 3\n  bpflab hint lab12_1 concurrency --step 2",
		Args:    cobra.RangeArgs(1, 2),
		RunE: guarded(func(cmd *cobra.Command, args []string) error {
			lab, err := harness.Find(labs, args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			if from == "" {
				from = lastGrade(cmd, lab)
			}
			last, err := readLast(lab, from)
			if err != nil {
				return &exit{exitUsage, err}
			}
			out := cmd.OutOrStdout()
			name := ""
			if len(args) == 2 {
				name = args[1]
			}
			switch {
			case last.refused != nil && (name == "" || name == "1" || name == lab.Tasks[0].ID):
				fmt.Fprintf(out, "your last grade: %s\n\n", visible.Quote(last.refused.Reason))
				for _, detail := range last.refused.Details {
					for _, line := range visible.Lines(detail) {
						fmt.Fprintf(out, "%s%s\n", visible.Mark, line)
					}
				}
				fmt.Fprintf(out, "\nFix this first: nothing was run.\n")
				return nil
			case name != "":
			case last.passed:
				fmt.Fprintln(out, "your last grade passed every task")
				return nil
			case len(last.failed) > 0:
				for _, t := range lab.Tasks {
					if _, ok := last.failed[t.ID]; ok {
						name = t.ID
						break
					}
				}
			default:
				for i, t := range lab.Tasks {
					fmt.Fprintf(out, "%d  %-12s %s (%d hints)\n", i+1, t.ID, t.Title, len(t.Hints))
				}
				return nil
			}
			n, task, err := findTask(lab, name)
			if err != nil {
				return &exit{exitUsage, err}
			}
			return showHints(out, lab, n, task, last.failed[task.ID], step)
		}),
	}
	cmd.Flags().IntVar(&step, "step", 1, "how many hints to show")
	cmd.Flags().StringVar(&from, "receipt", "", "receipt of the grade to go by (default: the last one)")
	return cmd
}

// showHints shows the first hints of a task: the one for what a grade has found, then its own.
func showHints(out io.Writer, lab *harness.Lab, n int, task judge.Task, failed judge.TaskResult, step int) error {
	hints := task.Hints
	if symptom := task.Symptoms[failed.Cell]; symptom != "" {
		hints = append([]string{symptom}, hints...)
	}
	if step < 1 || step > len(hints) {
		return &exit{exitUsage, fmt.Errorf("task %d, %s, has hints 1 to %d, not %d", n, task.Title, len(hints), step)}
	}
	fmt.Fprintf(out, "task %d, %s\n", n, task.Title)
	if failed.Message != "" {
		fmt.Fprintf(out, "\nyour last grade: %s\n", visible.Quote(failed.Message))
	}
	for i, hint := range hints[:step] {
		fmt.Fprintf(out, "\n%d. %s\n", i+1, hint)
	}
	if step < len(hints) {
		fmt.Fprintf(out, "\nmore: ./bpflab hint %s %d --step %d\n", lab.Name, n, step+1)
	}
	return nil
}

// lastGrade is where a grade leaves its receipt for hints to go by.
func lastGrade(cmd *cobra.Command, lab *harness.Lab) string {
	cache := ""
	if flag := cmd.Flags().Lookup("cache"); flag != nil {
		cache = flag.Value.String()
	}
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		cache = filepath.Join(dir, "bpflab")
	}
	return lastReceipt(cache, lab)
}

func lastReceipt(cache string, lab *harness.Lab) string {
	return filepath.Join(cache, "last", lab.Name+".json")
}

// last is what became of a grade; nothing without one.
type last struct {
	refused *receipt.Refusal
	passed  bool                        // on every kernel of it
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
			if _, ok := l.failed[t.ID]; !ok && (t.Status == judge.Fail || t.Status == judge.Partial) {
				l.failed[t.ID] = t
			}
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
