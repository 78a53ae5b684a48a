// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// An object that cannot be judged, or read, says nothing of the others, and neither does a program of one of its.
func TestVerify(t *testing.T) {
	object, err := os.ReadFile("../../host/policy/testdata/seed.o")
	require.NoError(t, err)
	objects := [][]byte{object, bytes.Repeat([]byte("no ELF "), 100), object, object, object}
	reports := []verifier.Report{{Accepted: true, Program: "p"}, {}, {Message: "R0 !read_ok"}, {}}
	errs := []error{nil, errors.New("no privilege"), nil, nil}
	calls := 0
	load := func(spec *ebpf.CollectionSpec) (verifier.Report, error) {
		assert.Len(t, spec.Programs, 1)
		if calls++; calls == 4 {
			panic("no such map")
		}
		return reports[calls-1], errs[calls-1]
	}
	var stages []string
	o, err := verify(job.Job{Objects: objects}, load, func(s string) { stages = append(stages, s) })
	require.NoError(t, err)

	got, err := job.GetObjects(o, len(objects))
	require.NoError(t, err)
	for i := range got {
		if i != 1 {
			require.Len(t, got[i].Programs, 1)
		}
	}
	name := got[3].Programs[0].Program
	assert.NotEmpty(t, name)
	assert.True(t, got[0].Programs[0].Accepted)
	assert.Contains(t, got[1].Broken, "bad magic number")
	assert.Equal(t, "no privilege", got[2].Programs[0].Error)
	assert.Equal(t, "R0 !read_ok", got[3].Programs[0].Message)
	assert.Equal(t, "the library that loads it panicked: no such map", got[4].Programs[0].Error)
	require.Len(t, stages, 4)
	assert.Regexp(t, `^load \S+, 5 of 5$`, stages[3])

	_, err = job.GetObjects(o, 3)
	assert.EqualError(t, err, "3 objects were to be loaded, and 5 reports came back")
	_, err = job.GetObjects(job.Observations{}, 3)
	assert.Error(t, err)
}
