// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"bpflab/harness/host/receipt"
)

// stamp is the release or the commit that this command was built from. make sets it.
var stamp string

// thisBuild names the build in receipts.
func thisBuild() string {
	module := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		module = info.Main.Version
	}
	return cmp.Or(stamp, module, "unknown") + " " + runtime.Version()
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print which build this is; receipts name it too",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "bpflab %s, receipts of schema %d\n", thisBuild(), receipt.Schema)
			return err
		},
	}
}
