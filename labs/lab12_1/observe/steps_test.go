// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/job"
	"bpflab/harness/traffic"
)

func TestStepFrames(t *testing.T) {
	kinds := map[string]bool{}
	for _, f := range traffic.Mix(1, traffic.Listed) {
		kinds[f.Kind] = true
	}
	usual := StepFrames(job.StepsSeed, 0)
	require.Len(t, usual, len(kinds), "one of each kind")
	counts, seen := true, map[string]bool{}
	for _, f := range usual {
		assert.False(t, seen[f.Kind], f.Kind)
		seen[f.Kind] = true
		assert.True(t, counts || f.Protocol == traffic.None, "those that count come first")
		counts = f.Protocol != traffic.None
	}
	assert.True(t, usual[0].Delivered)
	assert.Equal(t, usual, StepFrames(job.StepsSeed, 0), "the same each time")
	assert.Equal(t, usual[:3], StepFrames(job.StepsSeed, 3))
	most := StepFrames(job.StepsSeed, job.MaxSteps)
	require.Len(t, most, job.MaxSteps)
	assert.Equal(t, usual, most[:len(usual)])
}
