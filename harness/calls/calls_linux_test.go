// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMiddleIsNotMisledByATurn(t *testing.T) {
	took := make([]uint64, 64)
	for i := range took {
		took[i] = 1100 + uint64(i%7)
	}
	took[20], took[41] = 4_000_000, 4_000_000 // a turn of another CPU takes as long as thousands of calls
	assert.InDelta(t, 1103, middle(took), 3)
	assert.EqualValues(t, 4_000_000, took[20], "they stay as they are")
}
