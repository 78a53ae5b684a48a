// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestJob(t *testing.T) {
	for _, want := range []Job{{"nonce", []byte("one\ntwo\n\x00")}, {"", []byte{}}} {
		got, err := DecodeJob(want.Encode())
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := DecodeJob([]byte("no line"))
	assert.EqualError(t, err, `expected a line with a nonce, found "no line"`)
}
