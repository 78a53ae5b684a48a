// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bpflab/harness"
	"bpflab/harness/build"
	"bpflab/harness/judge"
	"bpflab/harness/policy"
	"bpflab/harness/report"
	"bpflab/vm"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

func gradeCommand(m *machine) *cobra.Command {
	var (
		from, format string
		names        []string
	)
	cmd := &cobra.Command{
		Use:   "grade LAB",
		Short: "Grade a submission on every kernel of the matrix",
		Long: `Grade a submission on every kernel of the matrix and show what it is worth and why.

The report goes to standard output, progress to standard error.`,
		Example: `  bpflab grade lab12_1
  bpflab grade lab12_1 --from ~/submissions/ada --kernels 5.10,6.12 --format json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			lab, err := harness.Find(labs, args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			write, err := writer(format, cmd.OutOrStdout())
			if err != nil {
				return &exit{exitUsage, err}
			}
			source, err := submission(lab, from)
			if err != nil {
				return &exit{exitUsage, err}
			}
			r, err := m.grade(cmd.Context(), lab, source, names)
			if err != nil {
				return err
			}
			m.progress().clear()
			if err := write(*r); err != nil {
				return fmt.Errorf("write the report: %w", err)
			}
			switch {
			case !r.Result.Complete:
				return &exit{code: exitInfra}
			case !r.Result.Passed():
				return &exit{code: exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "folder of the submission (default: labs/LAB of the clone)")
	cmd.Flags().StringSliceVar(&names, "kernels", kernels.Names(), "kernels to grade on; also: host, or one that `kernels add` added")
	cmd.Flags().StringVar(&format, "format", "text", "text, json or junit")
	return cmd
}

// writer returns what writes a report in a format.
func writer(format string, w io.Writer) (func(report.Report) error, error) {
	switch format {
	case "text":
		return func(r report.Report) error {
			return r.Text(w, isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
		}, nil
	case "json":
		return func(r report.Report) error { return r.JSON(w) }, nil
	case "junit":
		return func(r report.Report) error { return r.JUnit(w) }, nil
	}
	return nil, fmt.Errorf("--format is text, json or junit, not %q", format)
}

// submission returns the file to grade.
func submission(lab *harness.Lab, from string) (string, error) {
	if from == "" {
		root, err := moduleRoot()
		if err != nil {
			return "", fmt.Errorf("%w: run this in one, or name the submission's folder with --from", err)
		}
		from = filepath.Join(root, "labs", lab.Name)
	}
	path := filepath.Join(from, lab.File)
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("the submission of %s is a file %s: %w", lab.Name, lab.File, err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("the submission must be a regular file: %s is none", path)
	}
	return path, nil
}

// grade builds a submission, has it observed on each kernel and judges it. An error is the
// grader's; whatever is wrong with the submission is in the report.
func (m *machine) grade(ctx context.Context, lab *harness.Lab, source string, names []string) (*report.Report, error) {
	cache, err := m.cacheDir()
	if err != nil {
		return nil, err
	}
	version, err := qemu.Version(ctx, "")
	if err != nil {
		return nil, err
	}
	r := &report.Report{
		Lab: lab.Name, Title: lab.Title, File: lab.File,
		Environment: map[string]string{"qemu": version, "host": runtime.GOOS + "/" + runtime.GOARCH},
	}
	m.progress().set(lab.Name, "build")
	object, err := build.Compile(ctx, cache, source)
	m.progress().set(lab.Name, "")
	var compileError *build.CompileError
	if errors.As(err, &compileError) {
		d := compileError.Diagnostics
		r.Result = judge.Refused(lab.Tasks, names, "does not compile: "+strings.SplitN(d[0].String(), "\n", 2)[0], lines(compileError.Error()))
		r.SourceSHA256, _ = fileSHA256(source)
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	r.SourceSHA256 = object.SourceSHA256
	r.Environment["clang"] = object.Clang
	r.Environment["object_sha256"] = object.SHA256
	seed, err := seedOf(object.SourceSHA256)
	if err != nil {
		return nil, err
	}
	r.Environment["seed"] = fmt.Sprint(seed)

	spec, err := lab.Policy.Check(object.ELF)
	var violations *policy.Violations
	if errors.As(err, &violations) {
		r.Result = judge.Refused(lab.Tasks, names, "not allowed in this lab; see below", lines(violations.Error()))
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	cases, err := m.cases(ctx, lab, spec, harness.Job{Lab: lab.Name, Seed: seed, ELF: object.ELF}, names, r.Environment)
	if err != nil {
		return nil, err
	}
	r.Result = judge.Judge(lab.Tasks, cases)
	return r, nil
}

func lines(s string) []string { return strings.Split(strings.TrimSpace(s), "\n") }

// seedOf makes a submission's seed from its text: the same file meets the same traffic
// everywhere, and a file with the answers written into it is another file, which meets
// another.
func seedOf(sum string) (uint64, error) {
	raw, err := hex.DecodeString(sum)
	if err != nil || len(raw) < 8 {
		return 0, fmt.Errorf("expected a SHA-256 in hex, found %q", sum)
	}
	return binary.BigEndian.Uint64(raw), nil
}

// cases has a submission observed in each guest that its lab needs, on each kernel.
func (m *machine) cases(ctx context.Context, lab *harness.Lab, spec *ebpf.CollectionSpec, job harness.Job, names []string, env map[string]string) ([]judge.Case, error) {
	static, err := lab.Inspect(spec)
	if err != nil {
		return nil, err
	}
	kernels, err := m.kernels(ctx, names)
	if err != nil {
		return nil, err
	}
	accel, why, err := m.accel(ctx, kernels[0])
	if err != nil {
		return nil, err
	}
	env["exact"], env["smp"] = "tcg, instructions counted", fmt.Sprintf("%s (%s)", accel, why)

	type cell struct {
		o       judge.Observations
		release string
		err     error
	}
	seen := make([][]cell, len(kernels))
	var group errgroup.Group
	// One more than there are: a guest waits now and then, for its snapshot to be read and
	// for RCU.
	cores := semaphore.NewWeighted(int64(max(runtime.NumCPU(), 2)) + 1)
	for i, k := range kernels {
		seen[i] = make([]cell, len(lab.Kinds))
		for j, kind := range lab.Kinds {
			weight := int64(1)
			if kind == harness.SMP {
				weight = 2
			}
			group.Go(func() error {
				if err := cores.Acquire(ctx, weight); err != nil {
					return err
				}
				defer cores.Release(weight)
				job := job
				job.Kind = kind
				c := &seen[i][j]
				c.o, c.release, c.err = m.observe(ctx, k, accel, job)
				var failure *vm.Failure
				if c.err != nil && !errors.As(c.err, &failure) {
					return c.err // not one guest's trouble: no other would fare better
				}
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var cases []judge.Case
	for i, k := range kernels {
		c := judge.Case{Kernel: k.Name, Observations: judge.Observations{}}
		for name, raw := range static {
			c.Observations[name] = raw
		}
		for _, cell := range seen[i] {
			for name, raw := range cell.o {
				c.Observations[name] = raw
			}
			c.Err = errors.Join(c.Err, cell.err)
			if cell.release != "" {
				c.Release = cell.release
			}
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// accel says how guests of two CPUs run here.
func (m *machine) accel(ctx context.Context, k kernels.Kernel) (qemu.Accel, string, error) {
	cache, err := m.cacheDir()
	if err != nil {
		return "", "", err
	}
	c, err := m.guest(ctx, k, qemu.KVM, harness.SMP)
	if err != nil {
		return "", "", err
	}
	return m.probe(cache).Accel(ctx, c, []byte("{}"))
}

func (m *machine) probe(cache string) vm.Probe {
	return vm.Probe{File: filepath.Join(cache, "accel.json")}
}
