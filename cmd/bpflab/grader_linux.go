// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"bpflab/runner"
	"bpflab/vm/kernels"
)

// quickKernel is the kernel to run on where nobody has named one and one is enough.
const quickKernel = "6.12"

// host is this machine, and what it shows on a terminal.
type host struct {
	runner.Host
	progress *progress
}

func newHost(stderr io.Writer) *host {
	p := newProgress(stderr)
	return &host{runner.Host{Version: thisBuild(), Progress: p}, p}
}

// addGrader adds the commands that need guests, which need Linux. What it returns wipes the
// progress that they show.
func addGrader(root *cobra.Command, stderr io.Writer) (clear func()) {
	h := newHost(stderr)
	root.PersistentFlags().StringVar(&h.Cache, "cache", "", "where kernels and builds are kept (default: bpflab in the user's cache folder)")
	root.PersistentFlags().BoolVarP(&h.Verbose, "verbose", "v", false, "print each guest's QEMU command and what it takes")
	root.AddCommand(gradeCommand(h), watchCommand(h), explainCommand(h), benchCommand(h), profileCommand(h), checkCommand(h), lintCommand(h), runCommand(h), execCommand(h), kernelsCommand(h), cacheCommand(h), doctorCommand(h))
	return h.progress.clear
}

// sandboxFlag has a command's user say how compilers are confined.
func (h *host) sandboxFlag(cmd *cobra.Command) {
	cmd.Flags().Var(&h.Sandbox, "sandbox", "confine the compilers: auto (as far as the kernel can), require (or refuse to build) or off")
}

// wrongCall reports whether a command failed for how it was called.
func wrongCall(err error) bool {
	var usage *runner.UsageError
	return errors.As(err, &usage) || errors.Is(err, kernels.ErrUnknown)
}
