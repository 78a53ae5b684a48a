// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/receipt"
)

// receiptKey is the environment variable that holds the key for receipts.
const receiptKey = "BPFLAB_RECEIPT_KEY"

func judgeCommand() *cobra.Command {
	var format, plots string
	cmd := &cobra.Command{
		Use:   "judge RECEIPT",
		Short: "Score a receipt again, without a guest, and say whether it holds together",
		Long: `Score a receipt again, without a guest, and say whether it holds together.

A receipt that was changed is found out by its seal, and exits with 1. With ` + receiptKey + `
set, the seal is an HMAC, which only who has the key can make.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			write, err := writer(format, cmd.OutOrStdout())
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
			result, err := r.Check(lab.Tasks, os.Getenv(receiptKey))
			switch {
			case errors.Is(err, receipt.ErrKey):
				return &exit{exitUsage, err}
			case err != nil:
				return &exit{exitFailed, err}
			}
			return show(write, lab, r, result, plots)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", formats)
	cmd.Flags().StringVar(&plots, "plots", "", plotsUsage)
	return cmd
}

func compareCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "compare RECEIPT RECEIPT",
		Short: "Say whether two receipts agree and, where not, what differs first",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := receipt.ReadFile(args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			b, err := receipt.ReadFile(args[1])
			if err != nil {
				return &exit{exitUsage, err}
			}
			out := cmd.OutOrStdout()
			first, agree := receipt.Compare(a, b)
			if agree {
				fmt.Fprintf(out, "agree: digest %s\n", a.Digest)
			} else {
				fmt.Fprintf(out, "differ: digests %s and %s\n", a.Digest, b.Digest)
			}
			if first != nil {
				fmt.Fprintf(out, "first difference: %s, %s\n  %s: %s\n  %s: %s\n", first.What, first.Name, args[0], first.A, args[1], first.B)
			}
			if !agree {
				return &exit{code: exitFailed}
			}
			return nil
		},
	}
}

// bpflabVersion is what this command was built from.
func bpflabVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version + " " + info.GoVersion
}
