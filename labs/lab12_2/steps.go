// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"

	"bpflab/harness/host/trace"
	"bpflab/harness/job"
	"bpflab/labs/lab12_2/consumer"
	"bpflab/labs/lab12_2/observe"
)

// agentPID is the process that makes the calls: a guest's first one.
const agentPID = 1

// showSteps says of each call of a run what the program sent, and what it should have.
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
		Settings: []string{fmt.Sprintf("target_pid is %d, target_syscall %d (%s), threshold %d", agentPID, s.Number, trace.CallName(s.Number), s.Threshold)},
		Columns: []trace.Column{
			{Name: "call"}, {Name: "sent"}, {Name: "pid", Number: true}, {Name: "uid", Number: true},
			{Name: "ts", Number: true}, {Name: "comm"},
		},
		Notes: []string{"ts is in nanoseconds from the call's beginning. The consumer did not run: the ring was emptied before each call."},
	}
	for i, c := range s.StepCalls(job.StepsSeed, len(steps)) {
		t.Steps = append(t.Steps, showStep(s, i, c, steps[i]))
	}
	return t, nil
}

// showStep says what became of the nth call.
func showStep(s observe.Script, n int, c observe.StepCall, step observe.Step) trace.Step {
	one := trace.Step{Printed: step.Printed}
	one.Cell(callName(s, c), "")
	var got, want [4]string // pid, uid, ts, comm
	if e := consumer.Decode(step.Record); e != nil && step.Size == consumer.Size {
		got = [4]string{fmt.Sprint(e.PID), fmt.Sprint(e.UID), "", e.Name()}
		if s.Expected(c) {
			want = [4]string{fmt.Sprint(agentPID), fmt.Sprint(s.User(n)), "", s.StepName(n)}
		}
		got[2], want[2] = trace.Time(step.Called, e.Time)
	}
	sent, should := trace.Records(step.Sent, step.Size), trace.Records(0, 0)
	if step.Dropped > 0 {
		sent += fmt.Sprintf(", %d dropped", int64(step.Dropped))
	}
	switch {
	case step.Missed > 0: // nobody knows whether it was this call
		should = ""
	case s.Expected(c):
		should = trace.Records(1, consumer.Size)
	}
	one.Cell(sent, should)
	for i := range got {
		one.Cell(got[i], want[i])
	}
	return one
}

// callName spells a call as what is special about it.
func callName(s observe.Script, c observe.StepCall) string {
	first := fmt.Sprintf("threshold%+d", int64(c.First-s.Threshold))
	switch {
	case c.First == s.Threshold:
		first = "threshold"
	case c.First == s.Threshold&0xffffffff:
		first = "threshold & 0xffffffff"
	case c.First > 1<<63:
		first = fmt.Sprintf("%#x", c.First)
	}
	name := trace.CallName(c.Number) + "(" + first + ")"
	if c.Another {
		name += " by another"
	}
	return name
}
