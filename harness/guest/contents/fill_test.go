// SPDX-License-Identifier: Apache-2.0

package contents

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/job"
)

func TestFill(t *testing.T) {
	object := func() *ebpf.CollectionSpec {
		return &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{
			"hash":   {Type: ebpf.Hash, KeySize: 4, ValueSize: 2, MaxEntries: 2, Contents: []ebpf.MapKV{{Key: uint32(9), Value: uint16(9)}}},
			"percpu": {Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 1}, "ring": {Type: ebpf.RingBuf}, "sized": {Type: ebpf.Array, KeySize: 4, ValueSize: 1, MaxEntries: 4},
		}}
	}
	one := func(key []byte, values ...[]byte) []job.Entry { return []job.Entry{{Key: key, Values: values}} }
	o := object()
	missing, err := Fill(o, map[string][]job.Entry{"hash": one([]byte{1}, []byte{2, 3, 0, 0}), "percpu": one([]byte{2}, []byte{7}), "none": nil, "another": nil})
	require.NoError(t, err)
	assert.Equal(t, []string{"another", "none"}, missing)
	assert.EqualValues(t, 3, o.Maps["percpu"].MaxEntries, "it had no size")
	assert.Equal(t, []ebpf.MapKV{{Key: uint32(9), Value: uint16(9)}, {Key: []byte{1, 0, 0, 0}, Value: []byte{2, 3}}}, o.Maps["hash"].Contents)
	perCPU := o.Maps["percpu"].Contents[0].Value.([][]byte)
	cpus, err := ebpf.PossibleCPU()
	require.NoError(t, err)
	assert.Len(t, perCPU, cpus)
	assert.Equal(t, []byte{7}, perCPU[cpus-1])

	two := append(one([]byte{1}, nil), one([]byte{2}, nil)...)
	for want, entries := range map[string]map[string][]job.Entry{
		`map "ring": expected an array, a hash or a trie, found a RingBuf`: {"ring": nil},
		`map "hash": entry 1: its key: expected 4 bytes, found 5`:          {"hash": one([]byte{0, 0, 0, 0, 1}, nil)},
		`map "hash": entry 1: its value: expected 2 bytes, found 3`:        {"hash": one(nil, []byte{0, 0, 1})},
		`map "hash": entry 1: expected one value, found 0`:                 {"hash": one(nil)},
		`map "hash": expected at most 2 entries, found 3, or an index`:     {"hash": two},
		`map "sized": expected at most 4 entries, found 5, or an index`:    {"sized": one([]byte{4}, nil)},
	} {
		_, err := Fill(object(), entries)
		assert.ErrorContains(t, err, want)
	}
}
