// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"bpflab/harness/host/visible"
)

func kernelsCommand(h *host) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kernels",
		Short: "List, fetch and add the kernels to grade on",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var vmlinuz, modules string
	add := &cobra.Command{
		Use:     "add NAME --vmlinuz FILE [--modules DIR]",
		Short:   "Add a kernel that was built elsewhere, to be named in --kernels",
		Example: "  bpflab kernels add mine --vmlinuz arch/x86/boot/bzImage --modules /tmp/mods/lib/modules/6.19.0",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := h.Store()
			if err != nil {
				return err
			}
			k, err := store.Add(cmd.Context(), args[0], vmlinuz, modules)
			if err != nil {
				return &exit{exitUsage, err}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "added %s: Linux %s. Grade on it: bpflab grade LAB --kernels %s\n", k.Name, k.Release, k.Name)
			return nil
		},
	}
	add.Flags().StringVar(&vmlinuz, "vmlinuz", "", "the kernel, an x86-64 bzImage")
	add.Flags().StringVar(&modules, "modules", "", "its lib/modules/RELEASE, if it has modules")
	_ = add.MarkFlagRequired("vmlinuz")
	var header bool
	btf := &cobra.Command{
		Use:     "btf NAME",
		Short:   "Write a kernel's types: its BTF, or with --header a vmlinux.h",
		Long:    "Write a kernel's types to standard output: its BTF, or with --header a vmlinux.h, which bpftool makes of it.",
		Example: "  bpflab kernels btf 6.12 --header > vmlinux.h",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := h.Kernels(cmd.Context(), args)
			if err != nil {
				return err
			}
			var path string
			if header {
				path, err = h.Header(cmd.Context(), list[0])
				path = filepath.Join(path, "vmlinux.h")
			} else {
				path, err = h.Types(cmd.Context(), list[0])
			}
			if err != nil {
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			h.progress.clear()
			_, err = io.Copy(visible.Trusted(cmd.OutOrStdout()), f) // as it is: it is data
			return err
		},
	}
	btf.Flags().BoolVar(&header, "header", false, "write a vmlinux.h")
	cmd.AddCommand(add, btf,
		&cobra.Command{
			Use:   "list",
			Short: "List the kernels of the matrix and those that were added",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				store, err := h.Store()
				if err != nil {
					return err
				}
				list, err := store.List()
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "NAME\tSTATE\tRELEASE\tPACKAGE\tMiB")
				for _, k := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", k.Name, k.State, k.Release, k.Version, k.Size>>20)
				}
				return w.Flush()
			},
		},
		&cobra.Command{
			Use:   "fetch [NAME ...]",
			Short: "Fetch kernels of the matrix, all of them if none is named",
			RunE: func(cmd *cobra.Command, args []string) error {
				store, err := h.Store()
				if err != nil {
					return err
				}
				return store.Fetch(cmd.Context(), args...)
			},
		},
		&cobra.Command{
			Use:    "lock FILE",
			Short:  "Write a new lock file: the newest package of every kernel of the matrix",
			Hidden: true, // for maintainers: CONTRIBUTING.md
			Args:   cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				store, err := h.Store()
				if err != nil {
					return err
				}
				pins, err := store.Resolve(cmd.Context())
				if err != nil {
					return err
				}
				return writeFile(args[0], func(w io.Writer) error {
					enc := json.NewEncoder(w)
					enc.SetIndent("", "  ")
					return enc.Encode(pins)
				})
			},
		})
	return cmd
}
