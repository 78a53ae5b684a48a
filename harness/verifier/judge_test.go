// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/judge"
)

func observed(t testing.TB, r Report) judge.Observations {
	t.Helper()
	o := judge.Observations{}
	require.NoError(t, o.Set(Observed, r))
	return o
}

func TestJudge(t *testing.T) {
	nullCheck := Report{Message: "R0 invalid mem access 'map_value_or_null'", Log: []string{"one", "two"}}
	e, ok := Explain(nullCheck)
	require.True(t, ok)
	for _, tt := range []struct {
		name     string
		report   Report
		status   judge.Status
		fraction float64
		message  string
		details  []string
	}{
		{"within the budget", Report{Accepted: true, Stats: Stats{Processed: 100}}, judge.Pass, 1, "", nil},
		{"half way to ten times the budget", Report{Accepted: true, Stats: Stats{Processed: 550}}, judge.Partial, 0.5,
			"the verifier had to look at 550 instructions; the budget is 100", nil},
		{"ten times the budget", Report{Accepted: true, Stats: Stats{Processed: 1000}}, judge.Fail, 0,
			"the verifier had to look at 1000 instructions; the budget is 100", nil},
		{"so many that it is not run", Report{Accepted: true, Stats: Stats{Processed: maxRun + 1}}, judge.Fail, 0,
			"the verifier had to look at 10001 instructions; the budget is 100, and above 10000 a program is not run", nil},
		{"rejected, of a known kind", nullCheck, judge.Fail, 0, "rejected: " + nullCheck.Message,
			[]string{"one", "two", "what it means: " + e.Meaning, "try: " + e.Try}},
		{"rejected, of no known kind", Report{Message: "the moon is full", Source: "x.bpf.c:9: return 0;", Log: []string{"one"}}, judge.Fail, 0,
			"rejected: the moon is full at x.bpf.c:9: return 0;", []string{"one"}},
	} {
		v, err := Judge(100)(observed(t, tt.report))
		require.NoError(t, err, tt.name)
		assert.Equal(t, tt.status, v.Status, tt.name)
		assert.InDelta(t, tt.fraction, v.Fraction, 1e-9, tt.name)
		assert.Equal(t, tt.message, v.Message, tt.name)
		assert.Equal(t, tt.details, v.Details, tt.name)
		assert.Equal(t, judge.Quantity{Value: 100, Unit: "processed instructions"}, v.Target, tt.name)
	}
	_, err := Judge(100)(judge.Observations{})
	assert.ErrorContains(t, err, `"load"`, "without a report the grader has failed")
}

func TestIfLoaded(t *testing.T) {
	calls := 0
	task := IfLoaded(func(judge.Observations) (judge.Verdict, error) {
		calls++
		return judge.Verdict{Status: judge.Pass}, nil
	})
	v, err := task(observed(t, Report{Message: "no"}))
	require.NoError(t, err)
	assert.Equal(t, judge.Verdict{Status: judge.Fail, Cell: "-", Message: "the program was not loaded"}, v)
	v, err = task(observed(t, Report{Accepted: true, Stats: Stats{Processed: maxRun + 1}}))
	require.NoError(t, err)
	assert.Equal(t, judge.Verdict{Status: judge.Fail, Cell: "-", Message: "the program was not run"}, v)
	assert.Zero(t, calls)

	v, err = task(observed(t, Report{Accepted: true, Stats: Stats{Processed: maxRun}}))
	require.NoError(t, err)
	assert.Equal(t, judge.Pass, v.Status)
	assert.Equal(t, 1, calls)

	_, err = task(judge.Observations{})
	assert.ErrorContains(t, err, `"load"`)

	// What only a guest of two CPUs has not run is not the grader's fault either.
	for _, tt := range []struct {
		smp  Report
		want judge.Status
		say  string
	}{
		{Report{Accepted: true, Try: maxTry}, judge.Pass, ""},
		{Report{Accepted: true, Try: maxTry + 1}, judge.Fail, "a run takes some 10001 instructions"},
		{Report{Message: "no"}, judge.Fail, "the program was not loaded"},
	} {
		o := observed(t, Report{Accepted: true, Try: maxTry})
		require.NoError(t, o.Set(ObservedSMP, tt.smp))
		v, err := task(o)
		require.NoError(t, err)
		assert.Equal(t, tt.want, v.Status)
		assert.Contains(t, v.Message, tt.say)
	}
	o := observed(t, Report{Accepted: true})
	o[ObservedSMP] = []byte("7")
	_, err = task(o)
	assert.ErrorContains(t, err, ObservedSMP)
}
