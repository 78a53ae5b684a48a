// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"bpflab/vm/kernels"
)

// addGrader adds the commands that need guests, which need Linux. What it returns wipes the
// progress that they show.
func addGrader(root *cobra.Command, stderr io.Writer) (clear func()) {
	m := &machine{stderr: stderr}
	root.PersistentFlags().StringVar(&m.cache, "cache", "", "where kernels and builds are kept (default: bpflab in the user's cache folder)")
	root.PersistentFlags().BoolVarP(&m.verbose, "verbose", "v", false, "print each guest's QEMU command and what it takes")
	root.AddCommand(gradeCommand(m), watchCommand(m), explainCommand(m), lintCommand(m), kernelsCommand(m), cacheCommand(m), doctorCommand(m))
	return func() { m.progress().clear() }
}

// wrongCall reports whether a command failed for how it was called.
func wrongCall(err error) bool { return errors.Is(err, kernels.ErrUnknown) }
