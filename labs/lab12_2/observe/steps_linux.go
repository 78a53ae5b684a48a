// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"errors"
	"os"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/contents"
	"bpflab/harness/guest/printk"
	"bpflab/harness/guest/tracing"
	"bpflab/harness/job"
)

// observeSteps makes a few calls and looks after each what is in the ring. The consumer does not run.
func observeSteps(s *agent.Subject, t Script, o job.Observations) error {
	log, err := printk.Open()
	if err != nil {
		return err
	}
	defer log.Close()
	a, err := tracing.Attach(s.Spec, t.target(os.Getpid()))
	if err != nil {
		return err
	}
	defer a.Close()
	var steps []Step
	for n, c := range t.StepCalls(s.Seed, s.Count) {
		before, err := a.Uint64("dropped")
		if err != nil {
			return err
		}
		by := calls.Thread{Name: t.StepName(n), UID: int(t.User(n))}
		called, err := a.Step(by, calls.Call{Number: c.Number, First: c.First}, c.Another, log)
		if err != nil {
			return err
		}
		now, err := a.Uint64("dropped")
		if err != nil {
			return err
		}
		steps = append(steps, Step{called, now - before})
	}
	maps, err := contents.Of(a.Collection)
	return errors.Join(err, o.SetSteps(steps, maps))
}
