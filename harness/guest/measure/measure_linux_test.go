// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"bpflab/harness/job"
)

func TestTiming(t *testing.T) {
	assert.Equal(t, job.Timing{Runs: 10, Typical: 20, Mean: 45}, Timing([]uint64{100, 20, 10, 30, 40, 50, 60, 70, 70, 0}, 1), "the first quartile, and the mean of all")
	assert.Equal(t, job.Timing{Runs: 512, Typical: 2, Mean: 3}, Timing([]uint64{1024, 512}, 256), "of samples of many runs")
}

func TestSums(t *testing.T) {
	assert.Equal(t, []uint64{3, 7}, sums([]uint64{1, 2, 3, 4}, 2))
	assert.Equal(t, []uint64{5, 9}, sums([]uint64{1, 2, 3, 4, 5}, 2), "the first is left out")
	assert.Empty(t, sums([]uint64{1, 2, 3}, 4))
	assert.Empty(t, sums(nil, 4))
}

func TestCalm(t *testing.T) {
	assert.True(t, Calm(job.Timing{Runs: 1000, Typical: 1000, Mean: 1040}))
	assert.False(t, Calm(job.Timing{Runs: 1000, Typical: 1000, Mean: 1041}))
	assert.True(t, Calm(job.Timing{Runs: 1000, Typical: 1000, Mean: 900}))
}
