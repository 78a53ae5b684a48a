// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJob(t *testing.T) {
	for _, want := range []Job{{"nonce", []byte("one\ntwo\n\x00"), []byte("three\n")}, {"", []byte{}, []byte{}}} {
		got, err := DecodeJob(want.Encode())
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, raw := range []string{"line", "no line", "nonce -1\n", "nonce 2\n1", ""} {
		_, err := DecodeJob([]byte(raw))
		assert.ErrorContains(t, err, "expected ", raw)
	}
}
