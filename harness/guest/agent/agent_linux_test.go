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

// An object that cannot be judged, or read, says nothing of the others.
func TestVerify(t *testing.T) {
	object, err := os.ReadFile("../../host/policy/testdata/seed.o")
	require.NoError(t, err)
	objects := [][]byte{object, bytes.Repeat([]byte("no ELF "), 100), object, object}
	reports := []verifier.Report{{Accepted: true, Program: "p"}, {}, {Message: "R0 !read_ok"}}
	errs := []error{nil, errors.New("no privilege"), nil}
	calls := 0
	load := func(spec *ebpf.CollectionSpec) (verifier.Report, error) {
		assert.NotEmpty(t, spec.Programs)
		calls++
		return reports[calls-1], errs[calls-1]
	}
	var stages []string
	o, err := verify(objects, load, func(s string) { stages = append(stages, s) })
	require.NoError(t, err)

	got, err := job.GetLoaded(o, len(objects))
	require.NoError(t, err)
	assert.Equal(t, job.Loaded{Report: reports[0]}, got[0])
	assert.Contains(t, got[1].Error, "bad magic number")
	assert.Equal(t, job.Loaded{Error: "no privilege"}, got[2])
	assert.Equal(t, job.Loaded{Report: reports[2]}, got[3])
	assert.Equal(t, []string{"load 1 of 4", "load 2 of 4", "load 3 of 4", "load 4 of 4"}, stages)

	_, err = job.GetLoaded(o, 3)
	assert.EqualError(t, err, "3 objects were to be loaded, and 4 reports came back")
	_, err = job.GetLoaded(job.Observations{}, 3)
	assert.Error(t, err)
}
