// SPDX-License-Identifier: Apache-2.0

package contents

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/guest/guesttest"
	"bpflab/harness/job"
)

func newMap(t *testing.T, kind ebpf.MapType, valueSize, entries uint32) *ebpf.Map {
	t.Helper()
	spec := &ebpf.MapSpec{Type: kind, KeySize: 4, ValueSize: valueSize, MaxEntries: entries}
	if kind == ebpf.RingBuf {
		spec.KeySize = 0
	}
	m, err := ebpf.NewMap(spec)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

func word(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func TestOf(t *testing.T) {
	guesttest.Root(t)
	cpus, err := ebpf.PossibleCPU()
	require.NoError(t, err)
	c := &ebpf.Collection{Maps: map[string]*ebpf.Map{
		"array": newMap(t, ebpf.Array, 4, 300), "hash": newMap(t, ebpf.Hash, 4, 300),
		"each": newMap(t, ebpf.PerCPUArray, 4, 3), "ring": newMap(t, ebpf.RingBuf, 0, 64<<10),
	}}
	for _, key := range []uint32{256, 1, 17} {
		require.NoError(t, c.Maps["array"].Put(key, key+1))
		require.NoError(t, c.Maps["hash"].Put(key, uint32(0)))
	}
	values := make([]uint32, cpus)
	want := [][]byte{}
	for i := range values {
		values[i] = uint32(7 + i)
		want = append(want, word(values[i]))
	}
	require.NoError(t, c.Maps["each"].Put(uint32(2), values))

	got, err := Of(c)
	require.NoError(t, err)
	entry := func(key, value uint32) job.Entry {
		return job.Entry{Key: word(key), Values: [][]byte{word(value)}}
	}
	assert.Equal(t, []job.Map{
		{Name: "array", Entries: []job.Entry{entry(1, 2), entry(17, 18), entry(256, 257)}}, // as numbers, without zeros
		{Name: "each", Entries: []job.Entry{{Key: word(2), Values: want}}},
		{Name: "hash", Entries: []job.Entry{entry(1, 0), entry(17, 0), entry(256, 0)}}, // what is there is shown
	}, got)
}

// However much a program keeps, what is returned is bounded, and says that it is not all.
func TestBounds(t *testing.T) {
	guesttest.Root(t)
	many, large, long := newMap(t, ebpf.Array, 4, 100), newMap(t, ebpf.Array, 400<<10, 4), newMap(t, ebpf.Array, 4, maxLooked+1)
	for key := range uint32(100) {
		require.NoError(t, many.Put(key, key+1))
	}
	value := make([]byte, 400<<10)
	value[0] = 1
	for key := range uint32(4) {
		require.NoError(t, large.Put(key, value))
	}
	require.NoError(t, long.Put(uint32(maxLooked), uint32(1)))
	got, err := Of(&ebpf.Collection{Maps: map[string]*ebpf.Map{"1many": many, "2large": large, "3long": long}})
	require.NoError(t, err)
	require.Len(t, got, 3)
	assert.Len(t, got[0].Entries, maxEntries)
	assert.True(t, got[0].More)

	total := 0
	for _, e := range got[1].Entries {
		total += len(e.Values[0])
	}
	assert.Equal(t, maxBytes, 4*maxEntries+total)
	assert.True(t, got[1].More)

	assert.Empty(t, got[2].Entries, "one that lies behind those that are looked at")
	assert.True(t, got[2].More)
}
