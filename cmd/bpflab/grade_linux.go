// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bpflab/harness"
	"bpflab/harness/build"
	"bpflab/harness/judge"
	"bpflab/harness/policy"
	"bpflab/harness/receipt"
	"bpflab/vm"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

func gradeCommand(m *machine) *cobra.Command {
	var (
		from, format, keep, plots string
		names                     []string
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
			source, err := findSubmission(lab, from)
			if err != nil {
				return &exit{exitUsage, err}
			}
			if err := m.known(names); err != nil {
				return err
			}
			r, result, err := m.grade(cmd.Context(), lab, source, names)
			if err != nil {
				return err
			}
			m.progress().clear()
			if keep != "" {
				if err := writeFile(keep, r.Write); err != nil {
					return fmt.Errorf("write the receipt: %w", err)
				}
			}
			return show(write, lab, r, result, plots)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "folder of the submission (default: labs/LAB of the clone)")
	cmd.Flags().StringSliceVar(&names, "kernels", kernels.Names(), "kernels to grade on; also: host, or one that \"kernels add\" added")
	cmd.Flags().StringVar(&format, "format", "text", formats)
	cmd.Flags().BoolVar(&m.kvm, "kvm", false, "let two CPUs race under KVM, where a guest boots under it")
	cmd.Flags().StringVar(&plots, "plots", "", plotsUsage)
	m.sandboxFlag(cmd)
	cmd.Flags().StringVar(&keep, "receipt", "", "file to write the receipt to; bpflab judge can score it again")
	return cmd
}

// submission is what a student hands in.
type submission struct {
	bpf     string // path of the BPF file
	program string // path of the Go program, or empty if the lab has none
}

// files are the paths of all of it.
func (s submission) files() []string {
	if s.program == "" {
		return []string{s.bpf}
	}
	return []string{s.bpf, s.program}
}

// findSubmission returns what to grade.
func findSubmission(lab *harness.Lab, from string) (s submission, err error) {
	if from == "" {
		root, err := moduleRoot()
		if err != nil {
			return s, fmt.Errorf("%w: run this in one, or name the submission's folder with --from", err)
		}
		from = filepath.Join(root, "labs", lab.Name)
	}
	s.bpf = filepath.Join(from, lab.File)
	if lab.Program != "" {
		s.program = filepath.Join(from, lab.Program)
	}
	for _, path := range s.files() {
		f, err := build.Open(path)
		if err != nil {
			return s, fmt.Errorf("a %s submission must contain %s: %w", lab.Name, filepath.Base(path), err)
		}
		f.Close()
	}
	return s, nil
}

// grade builds a submission, has it observed on each kernel and judges it. An error is the
// grader's; whatever is wrong with the submission is in the receipt.
func (m *machine) grade(ctx context.Context, lab *harness.Lab, source submission, names []string) (*receipt.Receipt, judge.Result, error) {
	g, err := m.prepare(ctx, lab, source, names)
	if err != nil {
		return nil, judge.Result{}, err
	}
	return g.finish(ctx)
}

// grading is a submission on its way.
type grading struct {
	*machine
	lab     *harness.Lab
	job     harness.Job
	kernels []kernels.Kernel // none for a submission that is refused before it is run
	receipt *receipt.Receipt
}

// finish observes and judges.
func (g *grading) finish(ctx context.Context) (*receipt.Receipt, judge.Result, error) {
	if err := g.observe(ctx, g.lab.Kinds, false); err != nil {
		return nil, judge.Result{}, err
	}
	if err := g.observe(ctx, g.lab.Kinds, true); err != nil {
		return nil, judge.Result{}, err
	}
	result, err := g.receipt.Close(g.lab.Tasks, os.Getenv(receiptKey))
	if err != nil {
		return nil, result, err
	}
	// For hints. That it cannot be kept is no reason to withhold a grade.
	last := lastReceipt(g.cache, g.lab)
	if os.MkdirAll(filepath.Dir(last), 0o755) == nil {
		_ = writeFile(last, g.receipt.Write)
	}
	return g.receipt, result, nil
}

// prepare does all that needs no guest: it builds a submission and checks it.
func (m *machine) prepare(ctx context.Context, lab *harness.Lab, source submission, names []string) (*grading, error) {
	cache, err := m.cacheDir()
	if err != nil {
		return nil, err
	}
	version, err := qemu.Version(ctx, "")
	if err != nil {
		return nil, err
	}
	r := &receipt.Receipt{
		Lab:        lab.Name,
		Submission: receipt.Submission{File: lab.File, Program: lab.Program},
		Tools:      map[string]string{"bpflab": bpflabVersion(), "qemu": version},
	}
	g := &grading{machine: m, lab: lab, receipt: r}
	refused := func(reason, details string) (*grading, error) {
		r.Refused = &receipt.Refusal{Reason: reason, Details: strings.Split(strings.TrimSpace(details), "\n")}
		for _, name := range names {
			r.Kernels = append(r.Kernels, receipt.Kernel{Name: name})
		}
		return g, nil
	}

	enforced, err := m.enforced()
	if err != nil {
		return nil, err
	}
	r.Tools["sandbox"] = strings.Join(enforced, ", ")
	m.progress().set(lab.Name, "build")
	object, program, err := m.build(ctx, cache, lab, source)
	m.progress().set(lab.Name, "")
	var compileError *build.CompileError
	switch {
	case errors.As(err, &compileError):
		for i, path := range source.files() {
			sum := compileError.SourceSHA256
			if path != compileError.Source {
				text, err := build.ReadFile(path)
				if err != nil {
					return nil, err
				}
				sum = sha256Hex(string(text))
			}
			*[]*string{&r.Submission.SHA256, &r.Submission.ProgramSHA256}[i] = sum
		}
		compileError = compileError.InFolder()
		first, _, _ := strings.Cut(compileError.Diagnostics[0].String(), "\n")
		return refused("does not compile: "+first, compileError.Error())
	case err != nil:
		return nil, err
	}
	r.Submission.SHA256, r.Submission.ObjectSHA256 = object.SourceSHA256, object.SHA256
	r.Tools["clang"] = object.Clang
	content := object.ContentSHA256
	g.job = harness.Job{Lab: lab.Name, ELF: object.ELF}
	if program != nil {
		r.Submission.ProgramSHA256, r.Submission.BinarySHA256 = program.SourceSHA256, program.SHA256
		r.Tools["go"] = program.Go
		content = sha256Hex(content + program.ContentSHA256)
		g.job.Program = program.ELF
	}
	r.Submission.ContentSHA256 = content
	if r.Submission.Seed, r.Submission.SeedKeyed, err = seedOf(r.Submission.ContentSHA256); err != nil {
		return nil, err
	}
	spec, err := lab.Policy.Check(object.ELF)
	var violations *policy.Violations
	switch {
	case errors.As(err, &violations):
		return refused("not allowed in this lab; see below", violations.Error())
	case err != nil:
		return nil, err
	}
	var static judge.Observations
	if lab.Inspect != nil {
		if static, err = lab.Inspect(spec); err != nil {
			return nil, err
		}
	}
	if g.kernels, err = m.kernels(ctx, names); err != nil {
		return nil, err
	}
	for _, k := range g.kernels {
		r.Kernels = append(r.Kernels, receipt.Kernel{
			Name: k.Name, Release: k.Release, SHA256: k.SHA256, Static: static,
			Guest: map[harness.Kind]judge.Observations{}, Guests: map[string]string{},
		})
	}
	r.Tools["guest"] = m.findAgent(ctx).sha256
	return g, nil
}

// build builds all of a submission, side by side. Of what does not compile, the BPF file is
// told of first.
func (m *machine) build(ctx context.Context, cache string, lab *harness.Lab, source submission) (object *build.Object, program *build.Program, err error) {
	var group errgroup.Group
	if source.program != "" {
		root, err := moduleRoot()
		if err != nil {
			return nil, nil, fmt.Errorf("the submission's Go program is built in a clone: %w", err)
		}
		group.Go(func() (err error) {
			program, err = m.builder(cache).Program(ctx, root, source.program, lab.Imports...)
			return err
		})
	}
	object, err = m.builder(cache).Compile(ctx, source.bpf)
	programErr := group.Wait()
	return object, program, cmp.Or(err, programErr)
}

// observe has a submission observed in guests of some kinds, on each kernel, as many at a
// time as the machine has cores for. again is for the kernels on which a verdict is in doubt, and with
// another seed.
func (g *grading) observe(ctx context.Context, kinds []harness.Kind, again bool) error {
	if len(g.kernels) == 0 {
		return nil
	}
	on := make([]bool, len(g.kernels))
	if again {
		for i, k := range g.receipt.Judge(g.lab.Tasks).Kernels {
			if on[i] = k.Doubtful(); on[i] {
				g.receipt.Kernels[i].Again = map[harness.Kind]judge.Observations{}
			}
		}
		if !slices.Contains(on, true) {
			return nil
		}
	}
	accel, why, err := g.accel(ctx, g.kernels[0])
	if err != nil {
		return err
	}
	g.receipt.Racing = accel != qemu.TCG
	g.receipt.Tools["accel"] = fmt.Sprintf("exact: tcg; smp: %s (%s)", accel, why)
	seed := g.receipt.Submission.Seed
	if again {
		seed = g.receipt.Submission.AgainSeed()
	}

	var (
		group errgroup.Group
		mu    sync.Mutex // guards what the receipt says of each kernel
		// One more than there are: a guest waits now and then, for its snapshot to be read
		// and for RCU.
		cores = semaphore.NewWeighted(int64(runtime.NumCPU()) + 1)
	)
	for i, k := range g.kernels {
		if again && !on[i] {
			continue
		}
		kernel := &g.receipt.Kernels[i]
		fated := len(kinds)
		for n, kind := range kinds {
			group.Go(func() error {
				if err := cores.Acquire(ctx, 1); err != nil {
					return err
				}
				defer cores.Release(1)
				s, err := g.observeKind(ctx, k, accel, kind, seed)
				mu.Lock()
				defer mu.Unlock()
				var failure *vm.Failure
				switch {
				case errors.As(err, &failure):
					kernel.Error = strings.TrimPrefix(kernel.Error+"\n"+err.Error(), "\n")
					g.progress().notice("kernel %s, %s guest: %s", k.Name, kind, failure.Report())
				case err != nil:
					return err // not one guest's trouble: no other would fare better
				}
				if s.fate != nil && n < fated { // if it ended two guests, the first of kinds counts: which ended first depends on the host
					kernel.Fate, fated = s.fate, n
				}
				if again {
					kernel.Again[kind] = s.observations
					return nil
				}
				kernel.Guest[kind], kernel.Guests[string(kind)] = s.observations, s.how
				return nil
			})
		}
	}
	return group.Wait()
}

// observeKind has a submission observed in one guest. Of one that ends an exact guest at least the
// verifier's report is wanted.
func (g *grading) observeKind(ctx context.Context, k kernels.Kernel, accel qemu.Accel, kind harness.Kind, seed judge.Seed) (seen, error) {
	job := g.job
	job.Kind, job.Seed = kind, seed.Part(harness.PartScenes)
	if kind != harness.Exact {
		job.Program = nil
	}
	later := harness.EncodeLater(seed)
	s, err := g.machine.observe(ctx, k, accel, job, later, g.lab.Control)
	if err != nil || s.fate == nil || kind != harness.Exact {
		return s, err
	}
	job.Kind, job.Program = harness.Load, nil
	loaded, err := g.machine.observe(ctx, k, accel, job, later, g.lab.Control)
	s.observations = loaded.observations
	return s, err
}

// accel says how guests of two CPUs run.
func (m *machine) accel(ctx context.Context, k kernels.Kernel) (qemu.Accel, string, error) {
	if !m.kvm {
		return qemu.TCG, "counted instructions, as everywhere", nil
	}
	return m.probeKVM(ctx, k)
}

// probeKVM finds out whether they can run under KVM.
func (m *machine) probeKVM(ctx context.Context, k kernels.Kernel) (qemu.Accel, string, error) {
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
