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
			"hash":   {Type: ebpf.Hash, KeySize: 4, ValueSize: 2, Contents: []ebpf.MapKV{{Key: uint32(9), Value: uint16(9)}}},
			"percpu": {Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 1}, "ring": {Type: ebpf.RingBuf},
		}}
	}
	one := func(key []byte, values ...[]byte) []job.Entry { return []job.Entry{{Key: key, Values: values}} }
	o := object()
	require.NoError(t, Fill(o, map[string][]job.Entry{"hash": one([]byte{1}, []byte{2, 3, 0, 0}), "percpu": one(nil, []byte{7})}))
	assert.Equal(t, []ebpf.MapKV{{Key: uint32(9), Value: uint16(9)}, {Key: []byte{1, 0, 0, 0}, Value: []byte{2, 3}}}, o.Maps["hash"].Contents)
	perCPU := o.Maps["percpu"].Contents[0].Value.([][]byte)
	cpus, err := ebpf.PossibleCPU()
	require.NoError(t, err)
	assert.Len(t, perCPU, cpus)
	assert.Equal(t, []byte{7}, perCPU[cpus-1])

	for want, entries := range map[string]map[string][]job.Entry{
		`expected a map "none" to fill, found ["hash" "percpu" "ring"]`: {"none": nil},
		`the map "ring", a RingBuf, cannot be filled`:                   {"ring": nil},
		`entry 1 of map "hash": its key: expected 4 bytes, found 5`:     {"hash": one([]byte{0, 0, 0, 0, 1}, nil)},
		`entry 1 of map "hash": its value: expected 2 bytes, found 3`:   {"hash": one(nil, []byte{0, 0, 1})},
		`entry 1 of map "hash": expected one value, found 0`:            {"hash": one(nil)},
	} {
		assert.ErrorContains(t, Fill(object(), entries), want)
	}
}
