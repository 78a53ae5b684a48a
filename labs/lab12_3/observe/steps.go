// SPDX-License-Identifier: Apache-2.0

package observe

import "bpflab/harness/job"

// Step is what became of one call of a job of steps.
type Step struct {
	job.Called
	Seen    uint64 `json:"seen"`    // by how much the count has changed
	Sampled uint64 `json:"sampled"` // by how much the count has changed
}

// StepCall is a call of a job of steps.
type StepCall struct {
	Part          int64 // the rate, of 65,536
	Number, Class uint64
	Another       bool // another process makes it, not the traced one
}

const (
	stepPart   = Whole / 4 // the rate of calls of which a part is to be sampled
	usualSteps = 24
)

// StepCalls are the calls of a job of n steps: half of them such that must all be sampled, but for one of another
// number and one of another process; then such of which a part is to be sampled. If n is 0, they are 24.
func (s Script) StepCalls(n int) (all []StepCall) {
	if n == 0 {
		n = usualSteps
	}
	for i := range n {
		c := StepCall{Part: Whole, Number: s.Number, Class: s.Classes[i%len(s.Classes)]}
		switch {
		case i >= (n+1)/2:
			c.Part = stepPart
		case i == 2:
			c.Number = s.Other
		case i == 3:
			c.Another = true
		}
		all = append(all, c)
	}
	return all
}

// Traced reports whether a call is to be counted.
func (s Script) Traced(c StepCall) bool { return !c.Another && c.Number == s.Number }
