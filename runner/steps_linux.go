// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bpflab/harness"
	"bpflab/harness/job"
	"bpflab/vm"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

// PrepareSteps does all for Steps and Profile that needs no guest: it builds and checks a submission's BPF file, which
// may print. Its Go program is no part of this.
func (h *Host) PrepareSteps(ctx context.Context, lab *harness.Lab, bpf string, kernels ...string) (*Grading, error) {
	only := *lab
	only.Program, only.Inspect = "", nil
	only.Policy = lab.Policy.WithPrinting()
	return h.Prepare(ctx, &only, Submission{BPF: bpf}, kernels)
}

// Steps has a submission run on a few frames or calls, count of them or, if that is 0, as many as the lab likes. Where
// the submission ended its guest, the observations say how, and nothing else.
func (g *Grading) Steps(ctx context.Context, count int) (job.Observations, error) {
	j := g.Job
	j.Guest, j.Seed, j.Count = job.Steps, job.StepsSeed, count
	return g.inspect(ctx, g.kernels[0], j)
}

// Profile finds which lines of a submission's BPF file its cost is in, in the scenes of its lab that are timed, with the
// seed of Steps, on one of the kernels that it was prepared for. Where the submission ended its guest, the observations
// say how, and nothing else.
func (g *Grading) Profile(ctx context.Context, kernel string) (job.Observations, error) {
	i := slices.IndexFunc(g.kernels, func(k kernels.Kernel) bool { return k.Name == kernel })
	if i < 0 {
		return nil, fmt.Errorf("profile a submission on kernel %s: it was not prepared for that", kernel)
	}
	j := g.Job
	j.Guest, j.Seed, j.Profile, j.Program = job.Exact, job.StepsSeed, true, nil
	return g.inspect(ctx, g.kernels[i], j)
}

// inspect has a job done that is no part of a grade.
func (g *Grading) inspect(ctx context.Context, k kernels.Kernel, j job.Job) (job.Observations, error) {
	s, err := g.host.observe(ctx, k, qemu.TCG, g.lab.Needs, j, nil, g.lab.Control)
	var failure *vm.Failure
	if errors.As(err, &failure) {
		g.host.Progress.Notice("kernel %s: %s", k.Name, failure.Report(g.host.Verbose))
	}
	if err != nil || s.fate == nil {
		return s.observations, err
	}
	o := job.Observations{}
	return o, o.SetFate(*s.fate)
}
