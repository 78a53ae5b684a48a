// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"bpflab/harness/verifier"
)

// A turn of another CPU takes as long as thousands of calls, and says nothing of the program.
func TestTryIsNotMisledByATurn(t *testing.T) {
	took := make([]uint64, 64)
	for i := range took {
		took[i] = 1100 + uint64(i%7)
	}
	took[20], took[41] = 4_000_000, 4_000_000
	accepted := verifier.Report{Accepted: true, Try: middle(took)}
	assert.InDelta(t, 1103, accepted.Try, 3)
	assert.True(t, accepted.Runs())

	for i := range took {
		took[i] += 50_000
	}
	accepted.Try = middle(took)
	assert.False(t, accepted.Runs(), "a program that takes that long each time is not run")
}
