// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/runner"
)

func gradeCommand(h *host) *cobra.Command {
	var (
		from, format, keep, plots string
		names                     []string
		details                   bool
	)
	cmd := &cobra.Command{
		Use:   "grade LAB",
		Short: "Grade a submission on every kernel of the matrix",
		Long: `Grade a submission on every kernel of the matrix and show what it is worth and why.

The report goes to standard output, progress to standard error.`,
		Example: `  bpflab grade lab12_1
  bpflab grade lab12_1 --from ~/submissions/ada --kernels 5.10,6.12 --format json`,
		Args: labArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			lab, err := harness.Find(labs, args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			write, err := writer(format, cmd.OutOrStdout(), details)
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
			g, grading, err := h.grade(cmd.Context(), lab, source, names)
			if err != nil {
				return err
			}
			g.from = from
			if format == "text" || format == "html" { // for people
				if g.expensive, err = expensive(cmd.Context(), lab, grading, g.result, of(lab, from)); err != nil {
					h.Progress.Notice("%v; the grade is not affected", err)
				}
			}
			h.progress.clear()
			if keep != "" {
				if err := writeFile(keep, g.receipt.Write); err != nil {
					return fmt.Errorf("write the receipt: %w", err)
				}
			}
			return g.show(write, plots)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "folder of the submission (default: labs/LAB of the clone)")
	cmd.Flags().StringSliceVar(&names, "kernels", nil, "kernels to grade on; also: host, or one that \"kernels add\" added (default: those of the matrix that the lab runs on)")
	cmd.Flags().StringVar(&format, "format", "text", formats)
	cmd.Flags().BoolVar(&h.KVM, "kvm", false, "let two CPUs race under KVM, where a guest boots under it")
	cmd.Flags().BoolVar(&details, "details", false, detailsUsage)
	cmd.Flags().StringVar(&plots, "plots", "", plotsUsage)
	h.sandboxFlag(cmd)
	cmd.Flags().StringVar(&keep, "receipt", "", "file to write the receipt to; bpflab judge can score it again")
	return cmd
}

// grade grades a submission and adds it to the user's record.
func (h *host) grade(ctx context.Context, lab *harness.Lab, source runner.Submission, names []string) (scored, *runner.Grading, error) {
	now, g, err := h.prepare(ctx, lab, source, names)
	if err != nil {
		return scored{}, nil, err
	}
	s, err := h.finish(ctx, lab, now, g)
	return s, g, err
}

// prepare takes down what a submission is now, and does all that needs no guest.
func (h *host) prepare(ctx context.Context, lab *harness.Lab, source runner.Submission, names []string) (state, *runner.Grading, error) {
	now, err := stateOf(source)
	if err != nil {
		return now, nil, err
	}
	g, err := h.Prepare(ctx, lab, source, names)
	return now, g, err
}

// finish observes, judges and adds to the user's record.
func (h *host) finish(ctx context.Context, lab *harness.Lab, now state, g *runner.Grading) (scored, error) {
	r, result, err := g.Finish(ctx, os.Getenv(receiptKey))
	if err != nil {
		return scored{}, err
	}
	change, err := remember(lab, now, r, result)
	if err != nil { // no reason to withhold a grade
		h.Progress.Notice("%v; `bpflab hint` and `bpflab list` will not know of this grade", err)
	}
	return scored{lab: lab, receipt: r, result: result, change: change}, nil
}
