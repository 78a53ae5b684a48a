// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

func observed(t testing.TB, r verifier.Report) job.Observations {
	t.Helper()
	o := job.Observations{}
	require.NoError(t, o.Set(verifier.Observed, r))
	return o
}

func TestJudge(t *testing.T) {
	nullCheck := verifier.Report{Message: "R0 invalid mem access 'map_value_or_null'", Log: []string{"one", "two"}}
	e, ok := Rejection(nullCheck)
	require.True(t, ok)
	unknown, ok := Rejection(verifier.Report{Message: "the moon is full"})
	require.True(t, ok)
	for _, tt := range []struct {
		name     string
		report   verifier.Report
		status   judge.Status
		fraction float64
		message  string
		details  []string
	}{
		{"within the budget", verifier.Report{Accepted: true, Stats: verifier.Stats{Processed: 100}}, judge.Pass, 1, "", nil},
		{"half way to ten times the budget", verifier.Report{Accepted: true, Stats: verifier.Stats{Processed: 550}}, judge.Partial, 0.5,
			"the verifier had to look at 550 instructions; the budget is 100", nil},
		{"ten times the budget", verifier.Report{Accepted: true, Stats: verifier.Stats{Processed: 1000}}, judge.Fail, 0,
			"the verifier had to look at 1000 instructions; the budget is 100", nil},
		{"so many that it is not run", verifier.Report{Accepted: true, Stats: verifier.Stats{Processed: verifier.MaxRun + 1}}, judge.Fail, 0,
			"the verifier had to look at 10001 instructions; the budget is 100, and above 10000 a program is not run", nil},
		{"rejected, of a known kind", nullCheck, judge.Fail, 0, "rejected: " + nullCheck.Message,
			[]string{"what it means: " + e.Meaning, "try: " + e.Try, "one", "two"}},
		{"rejected, of no known kind", verifier.Report{Message: "the moon is full", Source: "x.bpf.c:9: return 0;", Log: []string{"one"}}, judge.Fail, 0,
			"rejected: the moon is full at x.bpf.c:9: return 0;", append(unknown.Lines(), "one")},
	} {
		v, err := Judge(100)(observed(t, tt.report))
		require.NoError(t, err, tt.name)
		assert.Equal(t, tt.status, v.Status, tt.name)
		assert.InDelta(t, tt.fraction, v.Fraction, 1e-9, tt.name)
		assert.Equal(t, tt.message, v.Message, tt.name)
		assert.Equal(t, tt.details, v.Details, tt.name)
		assert.Equal(t, judge.Quantity{Value: 100, Unit: "processed instructions"}, v.Target, tt.name)
	}
	_, err := Judge(100)(job.Observations{})
	assert.ErrorContains(t, err, `"load"`, "without a report the grader has failed")
}

func TestIfLoaded(t *testing.T) {
	calls := 0
	task := IfLoaded(func(job.Observations) (judge.Verdict, error) {
		calls++
		return judge.Verdict{Status: judge.Pass}, nil
	})
	v, err := task(observed(t, verifier.Report{Message: "no"}))
	require.NoError(t, err)
	assert.Equal(t, judge.Verdict{Status: judge.Fail, Cell: "-", Message: "the program was not loaded"}, v)
	v, err = task(observed(t, verifier.Report{Accepted: true, Stats: verifier.Stats{Processed: verifier.MaxRun + 1}}))
	require.NoError(t, err)
	assert.Equal(t, judge.Verdict{Status: judge.Fail, Cell: "-", Message: "the program was not run"}, v)
	assert.Zero(t, calls)

	v, err = task(observed(t, verifier.Report{Accepted: true, Stats: verifier.Stats{Processed: verifier.MaxRun}}))
	require.NoError(t, err)
	assert.Equal(t, judge.Pass, v.Status)
	assert.Equal(t, 1, calls)

	_, err = task(job.Observations{})
	assert.ErrorContains(t, err, `"load"`)

	// What only a guest of two CPUs has not run is not the grader's fault either.
	for _, tt := range []struct {
		smp  verifier.Report
		want judge.Status
		say  string
	}{
		{verifier.Report{Accepted: true, Try: verifier.MaxTry}, judge.Pass, ""},
		{verifier.Report{Accepted: true, Try: verifier.MaxTry + 1}, judge.Fail, "a run takes some 10001 instructions"},
		{verifier.Report{Message: "no"}, judge.Fail, "the program was not loaded"},
	} {
		o := observed(t, verifier.Report{Accepted: true, Try: verifier.MaxTry})
		require.NoError(t, o.Set(verifier.ObservedSMP, tt.smp))
		v, err := task(o)
		require.NoError(t, err)
		assert.Equal(t, tt.want, v.Status)
		assert.Contains(t, v.Message, tt.say)
	}
	o := observed(t, verifier.Report{Accepted: true})
	o[verifier.ObservedSMP] = []byte("7")
	_, err = task(o)
	assert.ErrorContains(t, err, verifier.ObservedSMP)
}
