// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/job"
)

func execCommand(h *host) *cobra.Command {
	var (
		kernel string
		needs  harness.Needs
		how    job.Run
	)
	cmd := &cobra.Command{
		Use:   "exec [flags] -- PROGRAM [ARG...]",
		Short: "Run a program in a guest, as root",
		Long: `Run a static program for linux/amd64 in a guest, as root, and print what it printed once it has
ended. The guest has nothing else: no shell, no files of this machine. It counts instructions, as in
a grade, so a program that sleeps takes no time.

Exit status: the program's; 2 usage error, 3 the guest failed.`,
		Example: "  CGO_ENABLED=0 go test -exec 'bpflab exec --kernel 5.10 --' ./mypackage",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := h.Choose([]string{kernel}, "")
			if err != nil {
				return err
			}
			program, err := os.ReadFile(args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			list, err := h.Kernels(cmd.Context(), names)
			if err != nil {
				return err
			}
			how.Args = args[1:]
			ran, err := h.Run(cmd.Context(), list[0], needs, program, how)
			if err != nil {
				return err
			}
			h.progress.clear()
			if _, err := cmd.OutOrStdout().Write(ran.Output); err != nil {
				return err
			}
			if ran.More {
				_, _ = io.WriteString(cmd.ErrOrStderr(), fmt.Sprintf("bpflab: %s printed more than these %d bytes\n", args[0], len(ran.Output)))
			}
			if ran.Exit != 0 {
				return &exit{code: ran.Exit}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&kernel, "kernel", "6.12", "kernel to run on; also: host, or one that \"kernels add\" added")
	cmd.Flags().IntVar(&needs.CPUs, "cpus", 1, "CPUs, which take turns")
	cmd.Flags().IntVar(&needs.MemoryMiB, "memory", 256, "memory, MiB")
	cmd.Flags().StringSliceVar(&needs.Modules, "module", nil, "kernel module to load, beside veth")
	cmd.Flags().StringSliceVar(&needs.Parameters, "parameter", nil, "kernel parameter, e.g. lsm=bpf")
	cmd.Flags().StringArrayVar(&how.Env, "env", nil, "environment variable, NAME=VALUE")
	return cmd
}
