// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bpflab/harness"
	"bpflab/harness/host/build"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/policy"
	"bpflab/harness/host/receipt"
	"bpflab/harness/job"
	"bpflab/vm"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

// Grading is a submission on its way: Prepare, then Observe or Finish.
type Grading struct {
	Receipt *receipt.Receipt
	Job     job.Job // what guests are asked to do, without their kind and the seed

	host    *Host
	lab     *harness.Lab
	kernels []kernels.Kernel // none for a submission that is refused before it is run
}

// Finish observes and judges.
func (g *Grading) Finish(ctx context.Context, key string) (*receipt.Receipt, judge.Result, error) {
	for _, again := range []bool{false, true} {
		if err := g.Observe(ctx, g.lab.Guests, again); err != nil {
			return nil, judge.Result{}, err
		}
	}
	result, err := g.Receipt.Close(g.lab.Tasks, key)
	return g.Receipt, result, err
}

// Prepare does all that needs no guest: it builds a submission and checks it.
func (h *Host) Prepare(ctx context.Context, lab *harness.Lab, source Submission, names []string) (*Grading, error) {
	qemuVersion, err := qemu.Version(ctx, "")
	if err != nil {
		return nil, err
	}
	r := &receipt.Receipt{
		Lab:        lab.Name,
		Submission: receipt.Submission{File: lab.File, Program: lab.Program},
		Tools:      map[string]string{"bpflab": h.Version, "qemu": qemuVersion},
	}
	g := &Grading{host: h, lab: lab, Receipt: r}
	refused := func(reason, details string) (*Grading, error) {
		r.Refused = &receipt.Refusal{Reason: reason, Details: strings.Split(strings.TrimSpace(details), "\n")}
		for _, name := range names {
			r.Kernels = append(r.Kernels, receipt.Kernel{Name: name})
		}
		return g, nil
	}

	enforced, err := h.Enforced()
	if err != nil {
		return nil, err
	}
	r.Tools["sandbox"] = strings.Join(enforced, ", ")
	h.Progress.Set(lab.Name, "build")
	object, program, err := h.Build(ctx, lab, source)
	h.Progress.Set(lab.Name, "")
	var compileError *build.CompileError
	switch {
	case errors.As(err, &compileError):
		for i, path := range source.Files() {
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
		reason, details, _ := strings.Cut(compileError.InFolder().Error(), "\n")
		return refused(strings.TrimSuffix(reason, ":"), details)
	case err != nil:
		return nil, err
	}
	r.Submission.SHA256, r.Submission.ObjectSHA256 = object.SourceSHA256, object.SHA256
	r.Tools["clang"] = object.Clang
	content := object.ContentSHA256
	g.Job = job.Job{Lab: lab.Name, ELF: object.ELF}
	if program != nil {
		r.Submission.ProgramSHA256, r.Submission.BinarySHA256 = program.SourceSHA256, program.SHA256
		r.Tools["go"] = program.Go
		content = sha256Hex(content + program.ContentSHA256)
		g.Job.Program = program.ELF
	}
	r.Submission.ContentSHA256 = content
	// Side by side, for these take longest after the compilers: the seed, and the kernels' sums.
	var group errgroup.Group
	group.Go(func() (err error) {
		r.Submission.Seed, r.Submission.SeedKeyed, err = seedOf(content)
		return err
	})
	spec, policyErr := lab.Policy.Check(object.ELF)
	if policyErr == nil {
		group.Go(func() (err error) {
			g.kernels, err = h.Kernels(ctx, names)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var violations *policy.Violations
	switch {
	case errors.As(policyErr, &violations):
		return refused("not allowed in this lab", violations.Error())
	case policyErr != nil:
		return nil, policyErr
	}
	var static job.Observations
	if lab.Inspect != nil {
		if static, err = lab.Inspect(spec); err != nil {
			return nil, err
		}
	}
	for _, k := range g.kernels {
		r.Kernels = append(r.Kernels, receipt.Kernel{
			Name: k.Name, Release: k.Release, SHA256: k.SHA256, Static: static,
			Guest: map[job.Guest]job.Observations{}, Guests: map[string]string{},
		})
	}
	agent, err := h.findAgent(ctx)
	r.Tools["guest"] = agent.sha256
	return g, err
}

// Build builds all of a submission, side by side. Where neither part compiles, the error is the BPF
// file's, and comes at once.
func (h *Host) Build(ctx context.Context, lab *harness.Lab, source Submission) (object *build.Object, program *build.Program, err error) {
	builder, err := h.Builder()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group errgroup.Group
	if source.Program != "" {
		root, err := ModuleRoot()
		if err != nil {
			return nil, nil, fmt.Errorf("the submission's Go program is built in a clone: %w", err)
		}
		group.Go(func() (err error) {
			program, err = builder.Program(ctx, root, source.Program, lab.Imports...)
			return err
		})
	}
	if object, err = builder.Compile(ctx, source.BPF); err != nil {
		cancel()
	}
	programErr := group.Wait()
	return object, program, cmp.Or(err, programErr)
}

// Observe has a submission observed in guests of some kinds on each kernel, as many at a time as the
// machine has cores for. With again it observes only the kernels on which a verdict is in doubt, and draws
// from another seed.
func (g *Grading) Observe(ctx context.Context, kinds []job.Guest, again bool) error {
	if len(g.kernels) == 0 {
		return nil
	}
	on := make([]bool, len(g.kernels))
	if again {
		for i, k := range g.Receipt.Judge(g.lab.Tasks).Kernels {
			if on[i] = k.Doubtful(); on[i] {
				g.Receipt.Kernels[i].Again = map[job.Guest]job.Observations{}
			}
		}
		if !slices.Contains(on, true) {
			return nil
		}
	}
	accel, why, err := g.host.accel(ctx, g.kernels[0])
	if err != nil {
		return err
	}
	g.Receipt.Racing = accel != qemu.TCG
	g.Receipt.Tools["accel"] = fmt.Sprintf("exact: tcg; smp: %s (%s)", accel, why)
	seed := g.Receipt.Submission.Seed
	if again {
		seed = g.Receipt.Submission.AgainSeed()
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
		kernel := &g.Receipt.Kernels[i]
		fated := len(kinds)
		for n, kind := range kinds {
			group.Go(func() error {
				if err := cores.Acquire(ctx, 1); err != nil {
					return err
				}
				defer cores.Release(1)
				s, err := g.observeIn(ctx, k, accel, kind, seed)
				mu.Lock()
				defer mu.Unlock()
				var failure *vm.Failure
				switch {
				case errors.As(err, &failure):
					kernel.Error = strings.TrimPrefix(kernel.Error+"\n"+err.Error(), "\n")
					g.host.Progress.Notice("kernel %s, %s guest: %s", k.Name, kind, failure.Report(g.host.Verbose))
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

// Early only loads the submission on each kernel, and returns what tasks that need no more than that are
// worth. The receipt stays as it is. For a submission that was refused the result is empty.
func (g *Grading) Early(ctx context.Context, tasks []judge.Task) (judge.Result, error) {
	if len(g.kernels) == 0 {
		return judge.Result{}, nil
	}
	early := *g
	r := *g.Receipt
	r.Tools, r.Kernels = maps.Clone(r.Tools), nil
	for _, k := range g.Receipt.Kernels {
		k.Guest, k.Guests = map[job.Guest]job.Observations{}, map[string]string{}
		r.Kernels = append(r.Kernels, k)
	}
	early.Receipt = &r
	if err := early.Observe(ctx, []job.Guest{job.LoadOnly}, false); err != nil {
		return judge.Result{}, err
	}
	return r.Judge(tasks), nil
}

// observeIn has a submission observed in one guest. Of one that ends an exact guest at least the
// verifier's report is wanted.
func (g *Grading) observeIn(ctx context.Context, k kernels.Kernel, accel qemu.Accel, kind job.Guest, seed job.Seed) (seen, error) {
	j := g.Job
	j.Guest, j.Seed = kind, seed.Part(job.PartScenes)
	if kind != job.Exact {
		j.Program = nil
	}
	later := job.EncodeLater(seed)
	s, err := g.host.observe(ctx, k, accel, g.lab.Needs, j, later, g.lab.Control)
	if err != nil || s.fate == nil || kind != job.Exact {
		return s, err
	}
	j.Guest, j.Program = job.LoadOnly, nil
	loaded, err := g.host.observe(ctx, k, accel, g.lab.Needs, j, later, g.lab.Control)
	s.observations = loaded.observations
	return s, err
}

// accel says how guests of two CPUs run.
func (h *Host) accel(ctx context.Context, k kernels.Kernel) (qemu.Accel, string, error) {
	if !h.KVM {
		return qemu.TCG, "counted instructions, as everywhere", nil
	}
	return h.ProbeKVM(ctx, k)
}

// ProbeKVM finds out whether guests of two CPUs can run under KVM, and says why or why not.
func (h *Host) ProbeKVM(ctx context.Context, k kernels.Kernel) (qemu.Accel, string, error) {
	probe, err := h.Probe()
	if err != nil {
		return "", "", err
	}
	g, err := h.guest(ctx, k, qemu.KVM, job.SMP, harness.Needs{})
	if err != nil {
		return "", "", err
	}
	return probe.Accel(ctx, g.config, []byte("{}"))
}

// Probe returns the record of whether KVM works here.
func (h *Host) Probe() (vm.Probe, error) {
	cache, err := h.CacheDir()
	return vm.Probe{File: filepath.Join(cache, "accel.json")}, err
}
