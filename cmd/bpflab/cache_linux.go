// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func cacheCommand(m *machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "List the guests that are kept ready, and what they take",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := m.cacheDir(); err != nil {
				return err
			}
			list, err := m.snapshots().List()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "SNAPSHOT\tMiB\tUSED\tFILE")
			var total int64
			for _, s := range list {
				total += s.Size
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", s.Name, s.Size>>20, s.Used.Format(time.DateTime), filepath.Base(s.Path))
			}
			fmt.Fprintf(w, "\t%d\t\t%s\n", total>>20, m.snapshots().Dir)
			return w.Flush()
		},
	}
	var keep int64
	prune := &cobra.Command{
		Use:   "prune",
		Short: "Remove the least recently used of them; they are made again when needed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep < 0 {
				return &exit{exitUsage, fmt.Errorf("--keep is a number of MiB from 0, not %d", keep)}
			}
			if _, err := m.cacheDir(); err != nil {
				return err
			}
			freed, err := m.snapshots().Prune(keep << 20)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "freed %d MiB\n", freed>>20)
			return nil
		},
	}
	prune.Flags().Int64Var(&keep, "keep", 0, "MiB to keep")
	cmd.AddCommand(prune)
	return cmd
}
