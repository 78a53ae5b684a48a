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
	for n := 1; n <= job.MaxSteps; n++ {
		require.Len(t, s.StepCalls(n), n)
	}
	assert.Equal(t, usual[:usualSteps/2], s.StepCalls(job.MaxSteps)[:usualSteps/2])

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
	assert.Equal(t, []int{10, 12, 1, 1}, []int{full, part, other, another})
}
