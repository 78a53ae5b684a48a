// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"bpflab/harness"
	"bpflab/harness/build"
	"bpflab/harness/verifier"
	"bpflab/vm"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

func explainCommand(m *machine) *cobra.Command {
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
			if err := m.known(names); err != nil {
				return err
			}
			for _, file := range args {
				f, err := build.Open(file)
				if err != nil {
					return &exit{exitUsage, err}
				}
				f.Close()
			}
			if _, err := m.enforced(); err != nil {
				return err
			}
			all, err := m.explain(cmd.Context(), args, names)
			if err != nil {
				return err
			}
			m.progress().clear()
			return showExplained(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().StringSliceVar(&names, "kernels", kernels.Names(), "kernels to load on; also: host, or one that \"kernels add\" added")
	m.sandboxFlag(cmd)
	cmd.Flags().BoolVar(&list, "list", false, "list the kinds of rejection that are known")
	return cmd
}

// listKinds writes every kind of rejection and what it means.
func listKinds(w io.Writer) error {
	for _, k := range verifier.Kinds() {
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
	loaded  []harness.Loaded // one a kernel
}

// explain compiles files and has them loaded on kernels, on each kernel all in one guest.
func (m *machine) explain(ctx context.Context, files, names []string) ([]explained, error) {
	all := make([]explained, len(files))
	job := harness.Job{Kind: harness.Verify}
	var at []int // whose the job's objects are
	for i, file := range files {
		m.progress().set("build", file)
		elf, broken, err := m.program(ctx, file)
		if err != nil {
			return nil, err
		}
		all[i] = explained{file: file, broken: broken}
		if broken == "" {
			job.Objects = append(job.Objects, elf)
			at = append(at, i)
		}
	}
	m.progress().set("build", "")
	if len(at) == 0 {
		return all, nil
	}
	list, err := m.kernels(ctx, names)
	if err != nil {
		return nil, err
	}
	loaded, err := m.load(ctx, list, job)
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
func (m *machine) program(ctx context.Context, file string) (elf []byte, broken string, err error) {
	cache, err := m.cacheDir()
	if err != nil {
		return nil, "", err
	}
	object, err := m.builder(cache).Compile(ctx, file)
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

// load has a job's objects loaded on each kernel. Where a guest failed, that is what is said
// of each object.
func (m *machine) load(ctx context.Context, list []kernels.Kernel, job harness.Job) ([][]harness.Loaded, error) {
	loaded := make([][]harness.Loaded, len(list))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for i, k := range list {
		group.Go(func() error {
			s, err := m.observe(ctx, k, qemu.TCG, job, nil, nil)
			var failure *vm.Failure
			switch {
			case errors.As(err, &failure):
				m.progress().notice("kernel %s: %s", k.Name, failure.Report())
				loaded[i] = make([]harness.Loaded, len(job.Objects))
				for n := range loaded[i] {
					loaded[i][n].Error = failure.Error()
				}
				return nil
			case err != nil:
				return err
			}
			loaded[i], err = harness.GetLoaded(s.observations, len(job.Objects))
			return err
		})
	}
	return loaded, group.Wait()
}
