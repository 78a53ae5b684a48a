// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"

	"bpflab/harness"
	"bpflab/harness/job"
	"bpflab/vm"
	"bpflab/vm/qemu"
)

// PrepareSteps does all for Steps that needs no guest: it builds and checks a submission's BPF file, which may print.
// Its Go program is no part of this.
func (h *Host) PrepareSteps(ctx context.Context, lab *harness.Lab, bpf, kernel string) (*Grading, error) {
	only := *lab
	only.Program, only.Inspect = "", nil
	only.Policy = lab.Policy.WithPrinting()
	return h.Prepare(ctx, &only, Submission{BPF: bpf}, []string{kernel})
}

// Steps has a submission run on a few frames or calls, count of them or, if that is 0, as many as the lab likes. Where
// the submission ended its guest, the observations say how, and nothing else.
func (g *Grading) Steps(ctx context.Context, count int) (job.Observations, error) {
	j := g.Job
	j.Guest, j.Seed, j.Count = job.Steps, job.StepsSeed, count
	return g.inspect(ctx, j)
}

// Profile finds which lines of a submission's BPF file its cost is in, in the scenes of its lab that are timed, with the
// seed of Steps. Where the submission ended its guest, the observations say how, and nothing else.
func (g *Grading) Profile(ctx context.Context) (job.Observations, error) {
	j := g.Job
	j.Guest, j.Seed, j.Profile, j.Program = job.Exact, job.StepsSeed, true, nil
	return g.inspect(ctx, j)
}

// inspect has a job of one kernel done that is no part of a grade.
func (g *Grading) inspect(ctx context.Context, j job.Job) (job.Observations, error) {
	s, err := g.host.observe(ctx, g.kernels[0], qemu.TCG, g.lab.Needs, j, nil, g.lab.Control)
	var failure *vm.Failure
	if errors.As(err, &failure) {
		g.host.Progress.Notice("kernel %s: %s", g.kernels[0].Name, failure.Report(g.host.Verbose))
	}
	if err != nil || s.fate == nil {
		return s.observations, err
	}
	o := job.Observations{}
	return o, o.SetFate(*s.fate)
}
