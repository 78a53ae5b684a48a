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

// observeSteps makes a few calls and looks after each what was counted and sampled. The controller does not run.
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
	for _, c := range t.StepCalls(s.Count) {
		one, err := step(a, c, log)
		if err != nil {
			return err
		}
		steps = append(steps, one)
	}
	maps, err := contents.Of(a.Collection)
	return errors.Join(err, o.SetSteps(steps, maps))
}

// step makes one call.
func step(a *tracing.Program, c StepCall, log *printk.Log) (one Step, err error) {
	if err := setRate(a, c.Part); err != nil {
		return one, err
	}
	seen, sampled, err := readCounts(a)
	if err != nil {
		return one, err
	}
	// The thread's number is not the process's.
	one.Called, err = a.Step(calls.Thread{Name: "calls"}, calls.Call{Number: c.Number, First: c.Class}, c.Another, log)
	if err != nil {
		return one, err
	}
	now, nowSampled, err := readCounts(a)
	if err != nil {
		return one, err
	}
	one.Seen, one.Sampled = now-seen, nowSampled-sampled
	return one, nil
}
