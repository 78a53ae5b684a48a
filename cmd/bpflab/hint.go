// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/judge"
)

func hintCommand() *cobra.Command {
	var step int
	cmd := &cobra.Command{
		Use:   "hint LAB [TASK]",
		Short: "Show a hint for a task, least revealing first",
		Long: `Show the hints of a task, by its number or id: the first, or as many as --step says,
each more revealing than the one before. Without a task, list the tasks.`,
		Example: "  bpflab hint lab12_1 3\n  bpflab hint lab12_1 concurrency --step 2",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			lab, err := harness.Find(labs, args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			out := cmd.OutOrStdout()
			if len(args) == 1 {
				for i, t := range lab.Tasks {
					fmt.Fprintf(out, "%d  %-12s %s (%d hints)\n", i+1, t.ID, t.Title, len(t.Hints))
				}
				return nil
			}
			n, task, err := findTask(lab, args[1])
			if err != nil {
				return &exit{exitUsage, err}
			}
			if step < 1 || step > len(task.Hints) {
				return &exit{exitUsage, fmt.Errorf("task %d, %s, has hints 1 to %d, not %d", n, task.Title, len(task.Hints), step)}
			}
			fmt.Fprintf(out, "task %d, %s\n", n, task.Title)
			for i, hint := range task.Hints[:step] {
				fmt.Fprintf(out, "\n%d. %s\n", i+1, hint)
			}
			if step < len(task.Hints) {
				fmt.Fprintf(out, "\nmore: bpflab hint %s %d --step %d\n", lab.Name, n, step+1)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&step, "step", 1, "how many hints to show")
	return cmd
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
