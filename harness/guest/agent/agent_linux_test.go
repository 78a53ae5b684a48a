// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// An object that cannot be judged, or read, says nothing of the others, and neither does a program of one of its.
func TestVerify(t *testing.T) {
	object, err := os.ReadFile("../../host/policy/testdata/seed.o")
	require.NoError(t, err)
	objects := [][]byte{object, bytes.Repeat([]byte("no ELF "), 100), object, object, object}
	reports := []verifier.Report{{Accepted: true, Program: "p"}, {}, {}, {Message: "R0 !read_ok"}, {}} // for want of memory it is tried twice
	errs := []error{nil, fmt.Errorf("no memory: %w", unix.ENOMEM), fmt.Errorf("no memory: %w", unix.ENOMEM), errors.New("no such function"), nil}
	calls := 0
	load := func(spec *ebpf.CollectionSpec, _ int) (*ebpf.Collection, verifier.Report, error) {
		assert.Len(t, spec.Programs, 1)
		if calls++; calls == 5 {
			panic("no such map")
		}
		return nil, reports[calls-1], errs[calls-1]
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
	assert.Equal(t, "no memory: cannot allocate memory", got[2].Programs[0].Error)
	assert.Equal(t, "cannot be loaded by itself: no such function", got[3].Programs[0].Lacks)
	assert.Empty(t, got[3].Programs[0].Error)
	assert.Equal(t, "the library that loads it panicked: no such map", got[4].Programs[0].Error)
	require.Len(t, stages, 4)
	assert.Regexp(t, `^load \S+, 5 of 5$`, stages[3])

	_, err = job.GetObjects(o, 3)
	assert.EqualError(t, err, "3 objects were to be loaded, and 5 reports came back")
	_, err = job.GetObjects(job.Observations{}, 3)
	assert.Error(t, err)
}

// Logs are reported where they are asked for, and so much of them that the host takes all that is said.
func TestVerifyLogs(t *testing.T) {
	object, err := os.ReadFile("../../host/policy/testdata/seed.o")
	require.NoError(t, err)
	j := job.Job{Objects: slices.Repeat([][]byte{object}, 12)}
	for _, j.Whole = range []bool{false, true} {
		var asked []int
		_, err := verify(j, func(_ *ebpf.CollectionSpec, bytes int) (*ebpf.Collection, verifier.Report, error) {
			asked = append(asked, bytes)
			line := strings.Repeat("x", bytes)
			return nil, verifier.Report{Message: "no", Whole: &verifier.Log{Lines: []string{line}}}, nil
		}, func(string) {})
		require.NoError(t, err)
		if !j.Whole {
			assert.Equal(t, make([]int, 12), asked)
			continue
		}
		assert.Equal(t, slices.Concat(slices.Repeat([]int{1 << 20}, 8), make([]int, 4)), asked)
	}
}

// What may be for want of memory is tried once more.
func TestLoadTwice(t *testing.T) {
	raw, err := os.ReadFile("../../host/policy/testdata/seed.o")
	require.NoError(t, err)
	object, err := read(raw)
	require.NoError(t, err)
	name := slices.Collect(maps.Keys(object.Programs))[0]
	for _, first := range []struct {
		report verifier.Report
		err    error
	}{{verifier.Report{Message: verifier.GaveUp}, nil}, {verifier.Report{}, unix.ENOMEM}, {verifier.Report{Message: "R0 !read_ok"}, nil}} {
		calls := 0
		l := loadAlone(object, name, job.Job{}, func(*ebpf.CollectionSpec) (*ebpf.Collection, verifier.Report, error) {
			if calls++; calls > 1 {
				return nil, verifier.Report{Message: "second"}, nil
			}
			return nil, first.report, first.err
		})
		if first.report.Message == "R0 !read_ok" {
			assert.Equal(t, 1, calls)
			continue
		}
		assert.Equal(t, 2, calls)
		assert.Equal(t, "second", l.Message)
	}
}

// An object whose sections are larger than it is gets no room for them.
func TestReadImplausible(t *testing.T) {
	object, err := os.ReadFile("../../host/policy/testdata/seed.o")
	require.NoError(t, err)
	_, err = read(object)
	require.NoError(t, err)
	f, err := elf.NewFile(bytes.NewReader(object))
	require.NoError(t, err)
	start := int(binary.LittleEndian.Uint64(object[40:])) // of the section headers, 64 bytes each
	for i, s := range f.Sections {
		if s.Type == elf.SHT_NULL {
			continue
		}
		for at, want := range map[int]string{32: "larger than", 8: "is compressed"} { // size, flags
			wrong := bytes.Clone(object)
			value := uint64(1 << 40)
			if at == 8 {
				value = uint64(s.Flags | elf.SHF_COMPRESSED)
			}
			binary.LittleEndian.PutUint64(wrong[start+64*i+at:], value)
			_, err = read(wrong)
			require.Error(t, err, s.Name)
			if s.Type == elf.SHT_PROGBITS && at == 32 {
				assert.ErrorContains(t, err, want, s.Name)
			}
		}
	}
}

// Whatever an object holds, it is read or refused, and each of its programs is prepared or refused.
func FuzzObject(f *testing.F) {
	object, err := os.ReadFile("../../host/policy/testdata/seed.o")
	require.NoError(f, err)
	f.Add(object)
	f.Fuzz(func(t *testing.T, raw []byte) {
		object, err := read(raw)
		if err != nil {
			return
		}
		for name := range object.Programs {
			l := loadAlone(object, name, job.Job{}, func(spec *ebpf.CollectionSpec) (*ebpf.Collection, verifier.Report, error) {
				assert.Len(t, spec.Programs, 1)
				return nil, verifier.Report{}, nil
			})
			assert.Equal(t, name, l.Program)
		}
	})
}
