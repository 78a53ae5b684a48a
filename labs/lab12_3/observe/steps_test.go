// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/job"
)

func TestStepCalls(t *testing.T) {
	s := NewScript(job.StepsSeed)
	usual := s.StepCalls(0)
	require.Len(t, usual, usualSteps)
	assert.Equal(t, usual[:3], s.StepCalls(3))
	assert.Equal(t, usual, s.StepCalls(job.MaxSteps)[:usualSteps])
	assert.Len(t, s.StepCalls(job.MaxSteps), job.MaxSteps)

	full, part, other, another := 0, 0, 0, 0
	for i, c := range usual {
		switch {
		case c.Another:
			another++
			assert.Equal(t, s.Number, c.Number)
		case c.Number == s.Other:
			other++
		case c.Part == Whole:
			full++
			assert.Zero(t, part, "%d: a sampler may fix its next sample by the rate before", i)
		default:
			part++
		}
		assert.Equal(t, !c.Another && c.Number == s.Number, s.Traced(c))
	}
	assert.Equal(t, []int{6, 12, 1, 1}, []int{full, part, other, another})
}
