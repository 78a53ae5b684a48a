// SPDX-License-Identifier: Apache-2.0

package events

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/trace"
	"bpflab/harness/job"
	"bpflab/labs/lab12_2/consumer"
	"bpflab/labs/lab12_2/observe"
)

var stepScript = observe.NewScript(job.StepsSeed)

// record is an event as a program writes it.
func record(pid, uid uint32, ts uint64, name string) []byte {
	raw := binary.LittleEndian.AppendUint32(nil, pid)
	raw = binary.LittleEndian.AppendUint32(raw, uid)
	raw = binary.LittleEndian.AppendUint64(raw, ts)
	return append(raw, append([]byte(name), make([]byte, 16-len(name))...)...)
}

// rightSteps is what a right program makes of the calls of a run.
func rightSteps() (steps []observe.Step) {
	for n, c := range stepScript.StepCalls(job.StepsSeed, 0) {
		one := observe.Step{Called: job.Called{Began: 1000, Ended: 2000}}
		if stepScript.Expected(c) {
			one.Sent, one.Size = 1, consumer.Size
			one.Record = record(1, stepScript.User(n), 1200, stepScript.StepName(n))
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
	assert.Equal(t, []string{"getsid(threshold+99)", "32 bytes", "1", "42093", "+200", "a5e20453f8"}, got.Steps[0].Found)
	assert.Equal(t, right[0].Printed, got.Steps[0].Printed)
	assert.Equal(t, []string{"getsid(threshold-1)", "nothing", "", "", "", ""}, got.Steps[2].Found)
	var names []string
	for _, s := range got.Steps {
		names = append(names, s.Found[0])
	}
	assert.Equal(t, []string{
		"getsid(threshold+99)", "getsid(threshold)", "getsid(threshold-1)", "getsid(0xffffffffffffffff)",
		"getsid(threshold & 0xffffffff)", "getpgid(threshold+11)", "getsid(threshold+86) by another", "getsid(threshold+91)",
	}, names)

	name, user := stepScript.StepName(0), stepScript.User(0)
	for what, tt := range map[string]struct {
		at              int
		change          func(*observe.Step)
		column          int
		found, expected string
	}{
		"not sent":        {0, func(s *observe.Step) { s.Sent, s.Record = 0, nil }, 1, "nothing", "32 bytes"},
		"not sent, lost":  {0, func(s *observe.Step) { s.Sent, s.Record, s.Dropped = 0, nil, 1 }, 1, "nothing, 1 dropped", "32 bytes"},
		"miscounted":      {0, func(s *observe.Step) { s.Dropped = 2 }, 1, "32 bytes, 2 dropped", "32 bytes"},
		"sent twice":      {0, func(s *observe.Step) { s.Sent = 2 }, 1, "2 records", "32 bytes"},
		"sent":            {2, func(s *observe.Step) { s.Sent, s.Size, s.Record = 1, 32, record(1, 1, 1, "x") }, 1, "32 bytes", "nothing"},
		"of another":      {6, func(s *observe.Step) { s.Sent, s.Size, s.Record = 1, 32, record(9, 1, 1200, "x") }, 1, "32 bytes", "nothing"},
		"too short":       {0, func(s *observe.Step) { s.Size, s.Record = 16, s.Record[:16] }, 1, "16 bytes", "32 bytes"},
		"too long":        {0, func(s *observe.Step) { s.Size = 40 }, 1, "40 bytes", "32 bytes"},
		"a thread":        {0, func(s *observe.Step) { s.Record = record(77, user, 1200, name) }, 2, "77", "1"},
		"another user":    {0, func(s *observe.Step) { s.Record = record(1, 0, 1200, name) }, 3, "0", "42093"},
		"early":           {0, func(s *observe.Step) { s.Record = record(1, user, 999, name) }, 4, "-1", "+0 to +1000"},
		"another program": {0, func(s *observe.Step) { s.Record = record(1, user, 1200, "x") }, 5, "x", "a5e20453f8"},
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
	steps[0].Sent, steps[0].Record, steps[0].Missed = 0, nil, 1
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
