// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/spf13/cobra"

	"bpflab/harness/host/build"
	"bpflab/harness/host/explain"
	"bpflab/harness/job"
	"bpflab/vm/kernels"
)

func explainCommand(h *host) *cobra.Command {
	var (
		names []string
		list  bool
	)
	cmd := &cobra.Command{
		Use:   "explain FILE.bpf.c...",
		Short: "Say what each kernel's verifier makes of a program, and what that means",
		Long: `Compile BPF programs, load each on every kernel, in a guest, and say whether it is accepted;
if not, what the verifier said, of which line, what that means and what to try. Any program
will do, a lab's or not; each file holds one.

Exit status: 0 all accepted, 1 some rejected, 2 usage error, 3 some could not be judged.`,
		Example: "  bpflab explain counter.bpf.c\n  bpflab explain *.bpf.c --kernels 5.10,6.12\n  bpflab explain --list",
		Args: func(cmd *cobra.Command, args []string) error {
			if list {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.MinimumNArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return listKinds(cmd.OutOrStdout())
			}
			names, err := h.Choose(names, "")
			if err != nil {
				return err
			}
			for _, file := range args {
				if filepath.Ext(file) != ".c" {
					return &exit{exitUsage, fmt.Errorf("explain compiles BPF programs, *.bpf.c; %s is none", file)}
				}
				f, err := build.Open(file)
				if err != nil {
					return &exit{exitUsage, err}
				}
				f.Close()
			}
			if _, err := h.Enforced(); err != nil {
				return err
			}
			all, err := h.explain(cmd.Context(), args, names)
			if err != nil {
				return err
			}
			h.progress.clear()
			return showExplained(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().StringSliceVar(&names, "kernels", nil, "kernels to load on; also: host, or one that \"kernels add\" added (default: the matrix, "+strings.Join(kernels.Names(), ",")+")")
	h.sandboxFlag(cmd)
	cmd.Flags().BoolVar(&list, "list", false, "list the kinds of rejection that are known")
	return cmd
}

// listKinds writes every kind of rejection and what it means.
func listKinds(w io.Writer) error {
	for _, k := range explain.Kinds() {
		if _, err := fmt.Fprintf(w, "%-21s  %s\n", k.Kind, k.Meaning); err != nil {
			return err
		}
	}
	return nil
}

// explained is what became of one file.
type explained struct {
	file    string
	broken  string // not empty: why there is nothing to load
	kernels []string
	loaded  []job.Loaded // one a kernel
}

// explain compiles files and has them loaded on kernels, on each kernel all in one guest.
func (h *host) explain(ctx context.Context, files, names []string) ([]explained, error) {
	all := make([]explained, len(files))
	var (
		objects [][]byte
		at      []int // whose they are
	)
	for i, file := range files {
		h.progress.Set("build", file)
		elf, broken, err := h.program(ctx, file)
		if err != nil {
			return nil, err
		}
		all[i] = explained{file: file, broken: broken}
		if broken == "" {
			objects = append(objects, elf)
			at = append(at, i)
		}
	}
	h.progress.Set("build", "")
	if len(at) == 0 {
		return all, nil
	}
	list, err := h.Kernels(ctx, names)
	if err != nil {
		return nil, err
	}
	loaded, err := h.Load(ctx, list, objects)
	if err != nil {
		return nil, err
	}
	for n, i := range at {
		all[i].kernels = names
		for _, one := range loaded {
			all[i].loaded = append(all[i].loaded, one[n])
		}
	}
	return all, nil
}

// program compiles a file. If that gives nothing to load, broken says why; an error is not
// the file's fault.
func (h *host) program(ctx context.Context, file string) (elf []byte, broken string, err error) {
	builder, err := h.Builder()
	if err != nil {
		return nil, "", err
	}
	object, err := builder.Compile(ctx, file)
	var compileError *build.CompileError
	switch {
	case errors.As(err, &compileError):
		return nil, compileError.Error(), nil
	case err != nil:
		return nil, "", err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object.ELF))
	if err != nil {
		return nil, fmt.Sprintf("%s compiles, but holds no programs that can be loaded: %v", file, err), nil
	}
	if n := len(spec.Programs); n != 1 {
		return nil, fmt.Sprintf("%s holds %d programs: expected exactly one program per file", file, n), nil
	}
	return object.ELF, "", nil
}
