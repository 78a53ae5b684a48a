// SPDX-License-Identifier: Apache-2.0

package percpu

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/guest/guesttest"
)

func TestValues(t *testing.T) {
	guesttest.Root(t)
	cpus, err := ebpf.PossibleCPU()
	require.NoError(t, err)
	for _, tt := range []struct {
		kind ebpf.MapType
		each bool // CPU has one
		hash bool // a key may be missing
	}{
		{ebpf.Array, false, false}, {ebpf.Hash, false, true}, {ebpf.LRUHash, false, true},
		{ebpf.PerCPUArray, true, false}, {ebpf.PerCPUHash, true, true}, {ebpf.LRUCPUHash, true, true},
	} {
		m, err := ebpf.NewMap(&ebpf.MapSpec{Type: tt.kind, KeySize: 4, ValueSize: 8, MaxEntries: 4})
		require.NoError(t, err)
		want := []uint64{7}
		if tt.each {
			want = make([]uint64, cpus)
			for i := range want {
				want[i] = uint64(7 + i)
			}
			require.NoError(t, m.Put(uint32(1), want))
		} else {
			require.NoError(t, m.Put(uint32(1), want[0]))
		}
		got, err := Values[uint64](m, uint32(1))
		require.NoError(t, err)
		assert.Equal(t, want, got, tt.kind)
		got, err = Values[uint64](m, uint32(2))
		require.NoError(t, err, tt.kind)
		if tt.hash {
			assert.Empty(t, got, "%v: the key is not there", tt.kind)
		} else {
			assert.Equal(t, make([]uint64, len(want)), got)
		}
		require.NoError(t, m.Close())
		_, err = Values[uint64](m, uint32(1))
		assert.Error(t, err)
	}
}
