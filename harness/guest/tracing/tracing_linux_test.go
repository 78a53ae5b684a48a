// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/guesttest"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

var some = slices.Repeat([]calls.Call{{Number: unix.SYS_GETPGID}}, calls.Batch)

func counter() *ebpf.CollectionSpec {
	return guesttest.Counter("raw_tp/sys_enter", ebpf.RawTracepoint, "sys_enter", 0)
}

func rejected() *ebpf.CollectionSpec {
	spec := counter()
	spec.Programs["count"].Instructions = asm.Instructions{asm.Return()} // R0 is not set
	return spec
}

func TestAttach(t *testing.T) {
	guesttest.Root(t)
	p, err := Attach(counter(), nil)
	require.NoError(t, err)
	before := guesttest.Count(t, p.Collection)
	missed, err := p.Missed(func() error { calls.Repeat(some, 3*calls.Batch); return nil })
	require.NoError(t, err)
	assert.GreaterOrEqual(t, guesttest.Count(t, p.Collection)-before+missed, uint64(3*calls.Batch))
	_, err = p.Missed(func() error { return errors.ErrUnsupported })
	assert.ErrorIs(t, err, errors.ErrUnsupported)
	require.NoError(t, p.Close())

	_, err = Attach(rejected(), nil)
	var rejection *verifier.Rejection
	assert.ErrorAs(t, err, &rejection)
}

// An observation begins with a report, and goes on only for a program that runs, in a guest that is for more
// than loading.
func TestBegin(t *testing.T) {
	guesttest.Root(t)
	for _, tt := range []struct {
		guest job.Guest
		spec  *ebpf.CollectionSpec
		name  string
		goOn  bool
	}{
		{job.Exact, counter(), verifier.Observed, true},
		{job.SMP, counter(), verifier.ObservedSMP, true},
		{job.Steps, counter(), verifier.Observed, true},
		{job.LoadOnly, counter(), verifier.Observed, false},
		{job.Exact, rejected(), verifier.Observed, false},
		{job.SMP, rejected(), verifier.ObservedSMP, false},
	} {
		o, goOn, err := Begin(&agent.Subject{Guest: tt.guest, Spec: tt.spec, Stage: func(string) {}}, nil, some)
		require.NoError(t, err)
		assert.Equal(t, tt.goOn, goOn)
		report, err := job.Get[verifier.Report](o, tt.name)
		require.NoError(t, err)
		assert.Equal(t, tt.spec.Programs["count"].Instructions[0].OpCode != asm.Return().OpCode, report.Accepted)
		assert.Equal(t, tt.goOn && tt.guest != job.Steps, report.Try > 0, "it was tried if it is to run many times")
	}
}

// A round in which the control has counted less than was made is one in which two CPUs met.
func TestRace(t *testing.T) {
	guesttest.Root(t)
	p, err := Attach(counter(), nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Close()) }()
	var played, begun []int
	control := []uint64{0, 10, 100, 129, 200, 250} // before and after each round
	count := func() (n uint64, err error) {
		n, control = control[0], control[1:]
		return n, nil
	}
	play := func(round [2]int) error { played = append(played, round[0]+round[1]); return nil }
	met, missed, err := p.Race([][2]int{{4, 6}, {10, 20}, {30, 20}}, play, count, func(round int) { begun = append(begun, round) })
	require.NoError(t, err)
	assert.Zero(t, missed)
	assert.Equal(t, 1, met, "in the second round 29 of 30 were counted")
	assert.Equal(t, []int{10, 30, 50}, played)
	assert.Equal(t, []int{0, 1, 2}, begun)

	failed := errors.New("failed")
	for _, broken := range []int{0, 1, 2} {
		fail := func(at int) error {
			if at == broken {
				return failed
			}
			return nil
		}
		counts := 0
		_, _, err = p.Race([][2]int{{1, 1}}, func([2]int) error { return fail(1) },
			func() (uint64, error) { counts++; return 0, fail(2*counts - 2) }, func(int) {})
		assert.ErrorIs(t, err, failed, "step %d", broken)
	}
}

func TestCost(t *testing.T) {
	guesttest.Root(t)
	empty, err1 := Cost(Empty(), nil, calls.Thread{Name: "test"}, some)
	counting, err2 := Cost(counter(), nil, calls.Thread{Name: "test"}, some)
	require.NoError(t, errors.Join(err1, err2))
	assert.Equal(t, len(some), empty.Runs)
	assert.Positive(t, empty.Mean)
	if os.Getppid() == 1 { // in a guest that counts instructions; elsewhere the clock has its moods
		assert.Greater(t, counting.Mean, empty.Mean)
	}
	_, err := Cost(rejected(), nil, calls.Thread{Name: "test"}, some)
	assert.Error(t, err)
}
