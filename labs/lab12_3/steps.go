// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"encoding/binary"
	"fmt"

	"bpflab/harness/host/trace"
	"bpflab/harness/job"
	"bpflab/labs/lab12_3/observe"
)

const (
	agentPID   = 1  // the process that makes the calls: a guest's first one
	sampleSize = 16 // bytes
)

// showSteps says of each call of a run what the program counted and sampled, and what it should have.
func showSteps(o job.Observations) (trace.Trace, error) {
	steps, err := job.GetSteps[observe.Step](o)
	if err != nil {
		return trace.Trace{}, err
	}
	if len(steps) == 0 || len(steps) > job.MaxSteps {
		return trace.Trace{}, fmt.Errorf("expected what became of 1 to %d calls, found %d", job.MaxSteps, len(steps))
	}
	s := observe.NewScript(job.StepsSeed)
	t := trace.Trace{
		Settings: []string{fmt.Sprintf("target_pid is %d, target_syscall %d (%s)", agentPID, s.Number, trace.CallName(s.Number))},
		Columns: []trace.Column{
			{Name: "call"}, {Name: "rate", Number: true}, {Name: "seen", Number: true}, {Name: "sampled", Number: true},
			{Name: "sent"}, {Name: "class", Number: true}, {Name: "ts", Number: true},
		},
	}
	made, sampled, part := 0, 0, int64(0) // at the rate at which a part is to be sampled
	for i, c := range s.StepCalls(len(steps)) {
		t.Steps = append(t.Steps, showStep(s, c, steps[i]))
		if c.Part < observe.Whole {
			made, part = made+1, c.Part
			if steps[i].Sent > 0 {
				sampled++
			}
		}
	}
	if made > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("At a rate of %s, %d of %d calls were sampled; %.0f are to be expected, but so few calls may differ much by chance.",
			percent(part), sampled, made, float64(made)*float64(part)/observe.Whole))
	}
	t.Notes = append(t.Notes, "ts is in nanoseconds from the call's beginning. The controller did not run, and the ring was emptied before each call.")
	return t, nil
}

// showStep says what became of a call.
func showStep(s observe.Script, c observe.StepCall, step observe.Step) trace.Step {
	one := trace.Step{Printed: step.Printed}
	name := fmt.Sprintf("%s(%d)", trace.CallName(c.Number), c.Class)
	if c.Another {
		name += " by another"
	}
	one.Cell(name, "")
	one.Cell(percent(c.Part), "")

	// What should be seen and sampled; of calls of which a part is to be sampled, either will do.
	seen, sampled, should := "1", "1", trace.Records(1, sampleSize)
	switch {
	case step.Missed > 0: // nobody knows whether it was this call
		seen, sampled, should = "", "", ""
	case !s.Traced(c):
		seen, sampled, should = "0", "0", trace.Records(0, 0)
	case c.Part < observe.Whole && step.Sent == 0:
		sampled, should = "0", trace.Records(0, 0)
	}
	one.Cell(fmt.Sprint(int64(step.Seen)), seen)
	one.Cell(fmt.Sprint(int64(step.Sampled)), sampled)
	one.Cell(trace.Records(step.Sent, step.Size), should)
	if len(step.Record) != sampleSize || step.Size != sampleSize {
		one.Cell("", "")
		one.Cell("", "")
		return one
	}
	class, ts := binary.LittleEndian.Uint64(step.Record[8:]), binary.LittleEndian.Uint64(step.Record)
	wantClass := ""
	if s.Traced(c) {
		wantClass = fmt.Sprint(c.Class)
	}
	one.Cell(fmt.Sprint(class), wantClass)
	one.Cell(trace.Time(step.Called, ts))
	return one
}
