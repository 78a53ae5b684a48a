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
	usual := s.StepCalls(job.StepsSeed, 0)
	require.Len(t, usual, firstSteps)
	assert.Equal(t, usual, s.StepCalls(job.StepsSeed, 0), "the same each time")
	assert.Equal(t, usual[:3], s.StepCalls(job.StepsSeed, 3))
	assert.Equal(t, usual, s.StepCalls(job.StepsSeed, job.MaxSteps)[:firstSteps])
	assert.Len(t, s.StepCalls(job.StepsSeed, job.MaxSteps), job.MaxSteps)

	// What each kind of mistake would take for something else.
	expected, at, below, sign, low, other, another := 0, false, false, false, false, false, false
	for _, c := range usual {
		is := s.Expected(c)
		if is {
			expected++
		}
		at = at || is && c.First == s.Threshold
		sign = sign || is && c.First>>63 == 1
		below = below || !is && c.Number == s.Number && c.First == s.Threshold-1
		low = low || !is && c.First < s.Threshold && uint32(c.First) >= uint32(s.Threshold)
		other = other || !is && c.Number == s.Other && c.First >= s.Threshold
		another = another || !is && c.Another && s.Interesting(c.Call)
	}
	assert.Equal(t, 4, expected)
	assert.Equal(t, []bool{true, true, true, true, true, true}, []bool{at, below, sign, low, other, another})
}
