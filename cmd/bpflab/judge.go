// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/visible"
)

// receiptKey is the environment variable that holds the key for receipts.
const receiptKey = "BPFLAB_RECEIPT_KEY"

func judgeCommand() *cobra.Command {
	var (
		format, plots string
		details       bool
	)
	cmd := &cobra.Command{
		Use:   "judge RECEIPT",
		Short: "Score a receipt again, without a guest, and check that it is consistent",
		Long: `Score a receipt again, without a guest, and check that it is consistent.

The seal reveals a receipt that was changed; the exit status is then 1. With ` + receiptKey + `
set, the seal is an HMAC, which only the holder of the key can make.`,
		Args: cobra.ExactArgs(1),
		RunE: guarded(func(cmd *cobra.Command, args []string) error {
			write, err := writer(format, cmd.OutOrStdout(), details)
			if err != nil {
				return &exit{exitUsage, err}
			}
			r, err := receipt.ReadFile(args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			lab, err := harness.Find(labs, r.Lab)
			if err != nil {
				return &exit{exitUsage, err}
			}
			if err := r.Of(lab); err != nil {
				return &exit{exitUsage, fmt.Errorf("%s: %w", args[0], err)}
			}
			result, err := r.Check(lab.Tasks, os.Getenv(receiptKey))
			switch {
			case errors.Is(err, receipt.ErrKey):
				return &exit{exitUsage, err}
			case err != nil:
				return &exit{exitFailed, err}
			}
			g := scored{lab: lab, receipt: r, result: result}
			if !r.Keyed {
				g.notes = append(g.notes, "no key: the seal detects accidental changes, not deliberate ones")
			}
			return g.show(write, plots)
		}),
	}
	cmd.Flags().StringVar(&format, "format", "text", formats)
	cmd.Flags().BoolVar(&details, "details", false, detailsUsage)
	cmd.Flags().StringVar(&plots, "plots", "", plotsUsage)
	return cmd
}

func compareCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "compare RECEIPT RECEIPT",
		Short: "Say whether two receipts agree and, where not, what differs first",
		Args:  cobra.ExactArgs(2),
		RunE: guarded(func(cmd *cobra.Command, args []string) error {
			a, err := receipt.ReadFile(args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			b, err := receipt.ReadFile(args[1])
			if err != nil {
				return &exit{exitUsage, err}
			}
			out := cmd.OutOrStdout()
			for i, r := range []*receipt.Receipt{a, b} {
				sealed, err := r.Consistent(os.Getenv(receiptKey))
				if err != nil {
					return &exit{exitFailed, fmt.Errorf("%s: %w", args[i], err)}
				}
				if !sealed {
					fmt.Fprintf(cmd.ErrOrStderr(), "%s: its seal needs the key that it was made with, and was not checked\n", args[i])
				}
			}
			first, agree := receipt.Compare(a, b)
			if agree {
				fmt.Fprintf(out, "agree: digest %s\n", a.Digest)
			} else {
				fmt.Fprintf(out, "differ: digests %s and %s\n", a.Digest, b.Digest)
			}
			if first != nil {
				fmt.Fprintf(out, "first difference: %s, %s\n  %s: %s\n  %s: %s\n", first.What, visible.Line(first.Name),
					visible.Line(args[0]), visible.Line(first.A), visible.Line(args[1]), visible.Line(first.B))
			}
			if !agree {
				return &exit{code: exitFailed}
			}
			return nil
		}),
	}
}

// judgeTime is far more than judging a receipt takes.
const judgeTime = time.Minute

// guarded runs what reads a receipt, which anybody may have written: a panic is the grader's
// trouble, told in a line, and so is judging without end.
func guarded(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		done := make(chan error, 1)
		go func() {
			defer func() {
				if p := recover(); p != nil {
					done <- &exit{exitInfra, fmt.Errorf("bug of bpflab, please report it with the receipt: %s", visible.Line(fmt.Sprint(p)))}
				}
			}()
			done <- run(cmd, args)
		}()
		select {
		case err := <-done:
			return err
		case <-cmd.Context().Done():
			return cmd.Context().Err()
		case <-time.After(judgeTime):
			return &exit{exitInfra, fmt.Errorf("not judged within %v: the receipt's observations cannot come from a lab", judgeTime)}
		}
	}
}
