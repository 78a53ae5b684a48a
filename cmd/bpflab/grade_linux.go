// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/receipt"
	"bpflab/runner"
)

func gradeCommand(h *host) *cobra.Command {
	var (
		from, format, keep, plots string
		names                     []string
	)
	cmd := &cobra.Command{
		Use:   "grade LAB",
		Short: "Grade a submission on every kernel of the matrix",
		Long: `Grade a submission on every kernel of the matrix and show what it is worth and why.

The report goes to standard output, progress to standard error.`,
		Example: `  bpflab grade lab12_1
  bpflab grade lab12_1 --from ~/submissions/ada --kernels 5.10,6.12 --format json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			lab, err := harness.Find(labs, args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			write, err := writer(format, cmd.OutOrStdout())
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
			r, result, err := h.grade(cmd.Context(), lab, source, names)
			if err != nil {
				return err
			}
			h.progress.clear()
			if keep != "" {
				if err := writeFile(keep, r.Write); err != nil {
					return fmt.Errorf("write the receipt: %w", err)
				}
			}
			return show(write, lab, r, result, plots)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "folder of the submission (default: labs/LAB of the clone)")
	cmd.Flags().StringSliceVar(&names, "kernels", nil, "kernels to grade on; also: host, or one that \"kernels add\" added (default: those of the matrix that the lab runs on)")
	cmd.Flags().StringVar(&format, "format", "text", formats)
	cmd.Flags().BoolVar(&h.KVM, "kvm", false, "let two CPUs race under KVM, where a guest boots under it")
	cmd.Flags().StringVar(&plots, "plots", "", plotsUsage)
	h.sandboxFlag(cmd)
	cmd.Flags().StringVar(&keep, "receipt", "", "file to write the receipt to; bpflab judge can score it again")
	return cmd
}

// grade grades a submission and keeps the receipt for hints.
func (h *host) grade(ctx context.Context, lab *harness.Lab, source runner.Submission, names []string) (*receipt.Receipt, judge.Result, error) {
	g, err := h.Prepare(ctx, lab, source, names)
	if err != nil {
		return nil, judge.Result{}, err
	}
	return h.finish(ctx, lab, g)
}

// finish observes, judges and keeps the receipt for hints.
func (h *host) finish(ctx context.Context, lab *harness.Lab, g *runner.Grading) (*receipt.Receipt, judge.Result, error) {
	r, result, err := g.Finish(ctx, os.Getenv(receiptKey))
	if err != nil {
		return nil, result, err
	}
	// That it cannot be kept is no reason to withhold a grade.
	if cache, err := h.CacheDir(); err == nil {
		last := lastReceipt(cache, lab)
		if os.MkdirAll(filepath.Dir(last), 0o755) == nil {
			_ = writeFile(last, r.Write)
		}
	}
	return r, result, nil
}
