// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecode(t *testing.T) {
	e := Event{PID: 1, UID: 2, Time: 3, Comm: [16]byte{'a', 'b'}}
	var record bytes.Buffer
	require.NoError(t, binary.Write(&record, binary.LittleEndian, e))
	require.Len(t, record.Bytes(), Size)
	assert.Equal(t, &e, Decode(record.Bytes()))
	assert.Nil(t, Decode(record.Bytes()[1:]))
	assert.Nil(t, Decode(append(record.Bytes(), 0)))
	assert.Nil(t, Decode(nil))
}

func TestName(t *testing.T) {
	for comm, want := range map[string]string{
		"": "", "alike": "alike", "alike\x00\x00\x00thread2": "alike", "\x00alike": "", "fifteen letters": "fifteen letters", "sixteen lettersX": "sixteen lettersX",
	} {
		var e Event
		copy(e.Comm[:], comm)
		assert.Equal(t, want, e.Name(), "%q", comm)
	}
}
