// SPDX-License-Identifier: Apache-2.0

package unfinished

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/guest/guesttest"
	"bpflab/harness/guest/ring"
)

const size = 16

func newWriter(t *testing.T) (*Writer, *ring.Ring) {
	guesttest.Root(t)
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: 4096})
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	w, err := New(m, size)
	if errors.Is(err, ebpf.ErrNotSupported) {
		t.Skip("needs programs that may sleep with a record reserved, from Linux 5.14 on")
	}
	require.NoError(t, err)
	r, err := ring.Open(m.FD(), 4096)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	return w, r
}

func content(b byte) []byte { return bytes.Repeat([]byte{b}, size) }

// A record stays busy for as long as it is not finished, others lie behind it, and all come in their order then.
func TestUnfinished(t *testing.T) {
	w, r := newWriter(t)
	ok, err := w.Reserve()
	require.NoError(t, err)
	require.True(t, ok)
	_, flags := r.Header(0)
	assert.EqualValues(t, ring.Busy, flags)
	ok, err = w.Write(content(2))
	require.NoError(t, err)
	require.True(t, ok)
	read := func() (got []byte) {
		r.Read(func(record []byte) {
			require.Equal(t, bytes.Repeat(record[:1], size), record)
			got = append(got, record[0])
		})
		return got
	}
	assert.Empty(t, read(), "nothing behind it may be read")
	require.NoError(t, w.Finish(content(1)))
	assert.Equal(t, []byte{1, 2}, read())
	assert.NoError(t, w.Close())
}

func TestFull(t *testing.T) {
	w, r := newWriter(t)
	n := 0
	for ok := true; ok; n++ {
		var err error
		ok, err = w.Write(content(0))
		require.NoError(t, err)
	}
	assert.Equal(t, 4096/(ring.HeaderSize+size), n-1)
	ok, err := w.Reserve()
	require.NoError(t, err)
	assert.False(t, ok)
	r.Release(r.Produced())
	assert.NoError(t, w.Close())
}

// A writer that is closed with its record unfinished leaves nobody waiting.
func TestCloseUnfinished(t *testing.T) {
	w, r := newWriter(t)
	ok, err := w.Reserve()
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, w.Close())
	_, flags := r.Header(0)
	assert.Zero(t, flags&ring.Busy)
}
