// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/trace"
	"bpflab/harness/job"
	"bpflab/harness/traffic"
	"bpflab/labs/lab12_1/observe"
)

// rightSteps is what a right program makes of the frames of a run.
func rightSteps() (steps []observe.Step) {
	for _, f := range observe.StepFrames(job.StepsSeed, 0) {
		one := observe.Step{Returned: observe.StepVerdict}
		if f.Protocol != traffic.None {
			one.Counted = []observe.Count{{Protocol: uint32(f.Protocol), Packets: 1, Bytes: uint64(len(f.Data))}}
		}
		steps = append(steps, one)
	}
	return steps
}

func shownSteps(t *testing.T, steps []observe.Step) trace.Trace {
	t.Helper()
	o := job.Observations{}
	require.NoError(t, o.SetSteps(steps, nil))
	got, err := showSteps(o)
	require.NoError(t, err)
	require.Len(t, got.Steps, len(steps))
	for _, s := range got.Steps {
		require.Len(t, s.Found, len(got.Columns))
		require.Len(t, s.Expected, len(got.Columns))
	}
	return got
}

func TestShowSteps(t *testing.T) {
	right := rightSteps()
	right[0].Printed = job.Printed{Lines: []string{"here"}, More: 2}
	got := shownSteps(t, right)
	for _, s := range got.Steps {
		assert.False(t, s.Wrong(), s.Found)
	}
	first, last := got.Steps[0], got.Steps[len(right)-1]
	assert.Equal(t, []string{"UDP", "434", "XDP_TX", "17: 1 packet, 434 bytes"}, first.Found)
	assert.Equal(t, right[0].Printed, first.Printed)
	assert.Equal(t, "nothing", last.Found[3])

	end := len(right) - 1
	for name, tt := range map[string]struct {
		at              int
		change          func(*observe.Step)
		column          int
		found, expected string
	}{
		"another verdict":   {0, func(s *observe.Step) { s.Returned = observe.XDPDrop }, 2, "XDP_DROP", "XDP_TX"},
		"a verdict of none": {0, func(s *observe.Step) { s.Returned = 77 }, 2, "77", "XDP_TX"},
		"not counted":       {0, func(s *observe.Step) { s.Counted = nil }, 3, "nothing", "17: 1 packet, 434 bytes"},
		"counted":           {end, func(s *observe.Step) { s.Counted = []observe.Count{{Protocol: 8, Packets: 1, Bytes: 14}} }, 3, "8: 1 packet, 14 bytes", "nothing"},
		"counted twice":     {0, func(s *observe.Step) { s.Counted[0].Packets = 2 }, 3, "17: 2 packets, 434 bytes", "17: 1 packet, 434 bytes"},
		"counted down": {0, func(s *observe.Step) {
			s.Counted[0] = observe.Count{Protocol: 17, Packets: ^uint64(0), Bytes: ^uint64(9)}
		}, 3, "17: -1 packets, -10 bytes", "17: 1 packet, 434 bytes"},
		"under two of them": {0, func(s *observe.Step) {
			s.Counted = append(s.Counted, observe.Count{Protocol: 18, Packets: 1, Bytes: 0})
		}, 3, "17: 1 packet, 434 bytes; 18: 1 packet, 0 bytes", "17: 1 packet, 434 bytes"},
		"under another":      {0, func(s *observe.Step) { s.Counted[0].Protocol = 18 }, 3, "18: 1 packet, 434 bytes", "17: 1 packet, 434 bytes"},
		"other bytes, alone": {0, func(s *observe.Step) { s.Counted[0].Bytes = 420 }, 3, "17: 1 packet, 420 bytes", "17: 1 packet, 434 bytes"},
	} {
		steps := rightSteps()
		tt.change(&steps[tt.at])
		got := shownSteps(t, steps)
		for i, s := range got.Steps {
			assert.Equal(t, i == tt.at, s.Wrong(), "%s: %q", name, s.Found)
		}
		s := got.Steps[tt.at]
		assert.Equal(t, [2]string{tt.found, tt.expected}, [2]string{s.Found[tt.column], s.Expected[tt.column]}, name)
	}
}

func TestShowStepsOfNone(t *testing.T) {
	_, err := showSteps(job.Observations{})
	assert.Error(t, err)
	for _, n := range []int{0, job.MaxSteps + 500} {
		o := job.Observations{}
		require.NoError(t, o.SetSteps(make([]observe.Step, n), nil))
		_, err := showSteps(o)
		assert.ErrorContains(t, err, "frames, found", n)
	}
	shownSteps(t, make([]observe.Step, job.MaxSteps))
}
