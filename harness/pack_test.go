// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPack(t *testing.T) {
	program := bytes.Repeat([]byte("a program of some length; "), 10_000)
	packed, err := Pack(program)
	require.NoError(t, err)
	assert.Less(t, len(packed), len(program)/10)
	again, err := Pack(program)
	require.NoError(t, err)
	assert.Equal(t, packed, again)
	got, err := unpack(packed)
	require.NoError(t, err)
	assert.Equal(t, program, got)

	none, err := unpack(nil)
	require.NoError(t, err)
	assert.Empty(t, none)
	for name, bad := range map[string][]byte{"cut": packed[:len(packed)/2], "garbage": []byte("garbage")} {
		_, err := unpack(bad)
		assert.Error(t, err, name)
	}
	huge, err := Pack(make([]byte, maxProgram+1))
	require.NoError(t, err)
	_, err = unpack(huge)
	assert.Error(t, err, "more than a guest has room for")
}
