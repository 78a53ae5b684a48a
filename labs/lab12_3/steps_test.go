// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/trace"
	"bpflab/harness/job"
	"bpflab/labs/lab12_3/observe"
)

var stepScript = observe.NewScript(job.StepsSeed)

// sample is one as a program writes it.
func sample(ts, class uint64) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, ts), class)
}

// rightSteps is what a right program makes of the calls of a run: of those of which a part is to be sampled it
// samples the first.
func rightSteps() (steps []observe.Step) {
	part := 0
	for _, c := range stepScript.StepCalls(0) {
		one := observe.Step{Called: job.Called{Began: 1000, Ended: 2000}}
		if stepScript.Traced(c) {
			one.Seen = 1
			if c.Part < observe.Whole {
				part++
			}
			if part < 2 {
				one.Sampled, one.Sent, one.Size, one.Record = 1, 1, 16, sample(1200, c.Class)
			}
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
	assert.Equal(t, []string{"getsid(18)", "100%", "1", "1", "16 bytes", "18", "+200"}, got.Steps[0].Found)
	assert.Equal(t, right[0].Printed, got.Steps[0].Printed)
	assert.Equal(t, []string{"getpgid(5)", "100%", "0", "0", "nothing", "", ""}, got.Steps[2].Found)
	assert.Equal(t, "getsid(5) by another", got.Steps[3].Found[0])
	assert.Equal(t, []string{"getsid(18)", "25%", "1", "0", "nothing", "", ""}, got.Steps[13].Found)
	assert.Contains(t, got.Notes[0], "At a rate of 25%, 1 of 12 calls were sampled; 3 are to be expected")

	for what, tt := range map[string]struct {
		at              int
		change          func(*observe.Step)
		column          int
		found, expected string
	}{
		"not seen":            {0, func(s *observe.Step) { s.Seen = 0 }, 2, "0", "1"},
		"seen twice":          {13, func(s *observe.Step) { s.Seen = 2 }, 2, "2", "1"},
		"another number":      {2, func(s *observe.Step) { s.Seen = 1 }, 2, "1", "0"},
		"another process":     {3, func(s *observe.Step) { s.Sampled = 1 }, 3, "1", "0"},
		"not sampled":         {0, func(s *observe.Step) { s.Sampled, s.Sent, s.Record = 0, 0, nil }, 4, "nothing", "16 bytes"},
		"sampled, not sent":   {13, func(s *observe.Step) { s.Sampled = 1 }, 3, "1", "0"},
		"sent, not sampled":   {12, func(s *observe.Step) { s.Sampled = 0 }, 3, "0", "1"},
		"sent twice":          {12, func(s *observe.Step) { s.Sent = 2 }, 4, "2 records", "16 bytes"},
		"too short":           {0, func(s *observe.Step) { s.Size, s.Record = 8, s.Record[:8] }, 4, "8 bytes", "16 bytes"},
		"too long":            {0, func(s *observe.Step) { s.Size = 24 }, 4, "24 bytes", "16 bytes"},
		"another class":       {0, func(s *observe.Step) { s.Record = sample(1200, 3) }, 5, "3", "18"},
		"late":                {0, func(s *observe.Step) { s.Record = sample(2001, 18) }, 6, "+1001", "+0 to +1000"},
		"of another, sampled": {3, func(s *observe.Step) { s.Sent, s.Size, s.Record = 1, 16, sample(1, 3) }, 4, "16 bytes", "nothing"},
	} {
		steps := rightSteps()
		tt.change(&steps[tt.at])
		got := shownSteps(t, steps)
		for i, s := range got.Steps {
			assert.Equal(t, i == tt.at, s.Wrong(), "%s: %q", what, s.Found)
		}
		s := got.Steps[tt.at]
		assert.Equal(t, [2]string{tt.found, tt.expected}, [2]string{s.Found[tt.column], s.Expected[tt.column]}, what)
	}
}

// Where the kernel did not run the program for some call, nobody knows whether it was this one.
func TestMissedStepIsNotWrong(t *testing.T) {
	steps := rightSteps()
	steps[0] = observe.Step{Called: job.Called{Missed: 1}}
	assert.False(t, shownSteps(t, steps).Steps[0].Wrong())
}

func TestShowStepsOfNone(t *testing.T) {
	_, err := showSteps(job.Observations{})
	assert.Error(t, err)
	for _, n := range []int{0, job.MaxSteps + 1} {
		o := job.Observations{}
		require.NoError(t, o.SetSteps(make([]observe.Step, n), nil))
		_, err := showSteps(o)
		assert.ErrorContains(t, err, "calls, found", n)
	}
	shownSteps(t, make([]observe.Step, job.MaxSteps))
}
