// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"math/rand/v2"

	"bpflab/harness/job"
)

// Step is what became of one call of a job of steps.
type Step struct {
	job.Called
	Dropped uint64 `json:"dropped"` // by how much `dropped` has changed
}

// StepCall is a call of a job of steps.
type StepCall struct {
	Call
	Another bool // another process makes it, not the traced one
}

// firstSteps are the calls that come first, one of each kind.
const firstSteps = 8

// StepCalls are the calls of a job of n steps: one of each kind, and then others; if n is 0, the former.
func (s Script) StepCalls(seed uint64, n int) []StepCall {
	r := rand.New(rand.NewPCG(seed, 1))
	above := func() uint64 { return s.Threshold + 1 + r.Uint64N(99) }
	all := []StepCall{
		{Call: Call{s.Number, above()}},
		{Call: Call{s.Number, s.Threshold}},
		{Call: Call{s.Number, s.Threshold - 1}},
		{Call: Call{s.Number, ^uint64(0)}},               // at or above it, if it has no sign
		{Call: Call{s.Number, s.Threshold & 0xffffffff}}, // below it, though not by its low half
		{Call: Call{s.Other, above()}},
		{Call: Call{s.Number, above()}, Another: true},
		{Call: Call{s.Number, above()}},
	}
	for _, c := range s.draw(r, max(n-firstSteps, 0)) {
		all = append(all, StepCall{Call: c})
	}
	if n == 0 {
		n = firstSteps
	}
	return all[:n]
}

// Expected reports whether a call is to be sent as an event.
func (s Script) Expected(c StepCall) bool { return !c.Another && s.Interesting(c.Call) }

// StepName is what the thread of the nth step is called.
func (s Script) StepName(n int) string { return s.Name(Threads, n) }
