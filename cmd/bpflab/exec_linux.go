// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/visible"
	"bpflab/harness/job"
	"bpflab/runner"
)

// exitTimeout is how the command ends where the program had to be ended, as timeout(1) does.
const exitTimeout = 124

func execCommand(h *host) *cobra.Command {
	var (
		kernel string
		needs  harness.Needs
		how    job.Run
	)
	cmd := &cobra.Command{
		Use:   "exec [flags] -- PROGRAM [ARG...]",
		Short: "Run a program in a guest, as root",
		Long: `Run a static program for linux/amd64 in a guest, as root. Its standard output and standard error
are printed together, when it has ended. The guest holds nothing else: no shell, no files of this
machine. It counts instructions, as in a grade; a second of sleep takes some hundredths of a second.
A guest that works for 15 minutes of this machine's time is ended, and what it printed is lost.

Exit status: the program's, or 128 and the number of the signal that ended it, or 124 if it ran for
longer than --timeout; 2 usage error, 3 the guest failed (a program may use these too).`,
		Example: "  CGO_ENABLED=0 go test -exec 'bpflab exec --kernel 5.10 --' ./mypackage",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := h.Choose([]string{kernel}, "")
			if err == nil {
				err = wrongExec(needs, how)
			}
			if err != nil {
				return err
			}
			program, err := os.ReadFile(args[0])
			if err == nil {
				err = runner.Runnable(program)
			}
			if err != nil {
				return &exit{exitUsage, fmt.Errorf("%s: %w", args[0], err)}
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
			// As it is: the program is the caller's own, and others parse what it prints.
			if _, err := visible.Trusted(cmd.OutOrStdout()).Write(ran.Output); err != nil {
				return err
			}
			if ran.More {
				fmt.Fprintf(cmd.ErrOrStderr(), "bpflab: %s printed more than %d bytes; the rest was dropped\n", args[0], len(ran.Output))
			}
			if ran.TimedOut {
				return &exit{exitTimeout, fmt.Errorf("%s ran for longer than %v of the guest's time and was ended", args[0], how.Timeout)}
			}
			if ran.Exit != 0 {
				return &exit{code: ran.Exit}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&kernel, "kernel", quickKernel, "kernel to run on; also: host, or one that \"kernels add\" added")
	cmd.Flags().IntVar(&needs.CPUs, "cpus", 1, "CPUs, which take turns")
	cmd.Flags().IntVar(&needs.MemoryMiB, "memory", 256, "memory, MiB")
	cmd.Flags().StringSliceVar(&needs.Modules, "module", nil, "kernel module to load, beside veth")
	cmd.Flags().StringSliceVar(&needs.Parameters, "parameter", nil, "kernel parameter, e.g. lsm=bpf")
	cmd.Flags().StringArrayVar(&how.Env, "env", nil, "environment variable, NAME=VALUE")
	cmd.Flags().DurationVar(&how.Timeout, "timeout", 10*time.Minute, "how long the program may run, in the guest's time")
	return cmd
}

// wrongExec says which value of a flag makes no guest.
func wrongExec(needs harness.Needs, how job.Run) error {
	const maxCPUs, minMemory, maxMemory = 16, 128, 16 << 10
	var err error
	switch {
	case needs.CPUs < 1 || needs.CPUs > maxCPUs:
		err = fmt.Errorf("--cpus: expected 1 to %d, found %d", maxCPUs, needs.CPUs)
	case needs.MemoryMiB < minMemory || needs.MemoryMiB > maxMemory:
		err = fmt.Errorf("--memory: expected %d to %d MiB, found %d", minMemory, maxMemory, needs.MemoryMiB)
	case how.Timeout <= 0:
		err = errors.New("--timeout: expected a time above 0")
	}
	for _, one := range how.Env {
		if name, _, ok := strings.Cut(one, "="); !ok || name == "" {
			err = fmt.Errorf("--env: expected NAME=VALUE, found %q", one)
		}
	}
	if err != nil {
		return &exit{exitUsage, err}
	}
	return nil
}
