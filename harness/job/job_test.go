// SPDX-License-Identifier: Apache-2.0

package job

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A job holds a part of the submission's seed, and neither the seed nor what the host keeps back; and
// what was read of it is wiped.
func TestJob(t *testing.T) {
	const seed Seed = 0x1122334455667788
	j := Job{Lab: "lab12_1", Guest: Exact, Seed: seed.Part(PartScenes), ELF: []byte("elf"), Program: []byte("program\n\x00")}
	payload, err := j.Encode()
	require.NoError(t, err)
	later := EncodeLater(seed)
	for what, n := range map[string]uint64{"seed": uint64(seed), "later": seed.Part(PartLater)} {
		raw := binary.LittleEndian.AppendUint64(nil, n)
		for _, form := range [][]byte{raw, strconv.AppendUint(nil, n, 10), strconv.AppendUint(nil, n, 16)} {
			assert.False(t, bytes.Contains(payload, form), "%s, as %q", what, form)
		}
	}
	assert.Equal(t, binary.LittleEndian.AppendUint64(nil, seed.Part(PartLater)), later)

	line := bytes.IndexByte(payload, '\n')
	got, err := Decode(payload)
	require.NoError(t, err)
	assert.Equal(t, j, got)
	assert.Equal(t, make([]byte, line), payload[:line], "the line is wiped")
}

// What a guest runs, and so its costs, depends on the bytes of its job.
func TestJobEncoding(t *testing.T) {
	want := Job{Lab: "lab12_1", Guest: Exact, Seed: 7, ELF: []byte("x"), Program: []byte("\x7fELF\n{}\n")}
	raw, err := want.Encode()
	require.NoError(t, err)
	assert.Equal(t, `{"lab":"lab12_1","kind":"exact","seed":7,"elf":"eA=="}`+"\n\x7fELF\n{}\n", string(raw))
	got, err := Decode(raw)
	require.NoError(t, err)
	assert.Equal(t, want, got)

	for _, bad := range []string{"", "\n{}", "{\n}", "[]"} {
		_, err := Decode([]byte(bad))
		assert.Error(t, err, "%q", bad)
	}
}
