// SPDX-License-Identifier: Apache-2.0

// Package judgetest tests a lab's judges: on what would be observed of a sound submission, and on
// the same with one thing changed.
package judgetest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// Judges are a lab's judges, and what they are tested on.
type Judges[S any] struct {
	Tasks []judge.Task
	Sound func() *S               // what is observed of a submission that gets all points
	Named func(*S) map[string]any // the same, by the names of the observations
}

// Observations are those of a submission, but for those of some names.
func (j Judges[S]) Observations(t testing.TB, seen *S, without ...string) job.Observations {
	t.Helper()
	o := job.Observations{}
	for name, v := range j.Named(seen) {
		if !slices.Contains(without, name) {
			require.NoError(t, o.Set(name, v))
		}
	}
	return o
}

// Judge judges a submission on one kernel.
func (j Judges[S]) Judge(t testing.TB, seen *S, without ...string) judge.Result {
	t.Helper()
	return judge.Judge(j.Tasks, []judge.Case{{Kernel: "6.12", Observations: j.Observations(t, seen, without...)}})
}

func (j Judges[S]) task(t testing.TB, id string) judge.Task {
	t.Helper()
	i := slices.IndexFunc(j.Tasks, func(task judge.Task) bool { return task.ID == id })
	require.GreaterOrEqual(t, i, 0, "no task %q", id)
	return j.Tasks[i]
}

// Full asks for all points for a sound submission.
func (j Judges[S]) Full(t *testing.T) {
	r := j.Judge(t, j.Sound())
	assert.Equal(t, 100.0, r.Score)
	assert.True(t, r.Passed())
	for _, task := range r.Kernels[0].Tasks {
		assert.Equal(t, judge.Pass, task.Status, "%s: %s", task.ID, task.Message)
		assert.NotEmpty(t, task.Target.Unit, "%s: a target has a unit", task.ID)
		assert.Equal(t, task.Target.Unit, task.Measured.Unit, "%s: measured and target are compared", task.ID)
	}
}

// Row is one thing changed, and the verdict on it.
type Row[S any] = struct {
	Name     string
	Change   func(*S)
	Status   judge.Status
	Fraction float64
	Message  string // a part of it, or one of the details
}

// Rows asks for verdicts, by task.
func (j Judges[S]) Rows(t *testing.T, rows map[string][]Row[S]) {
	for _, task := range j.Tasks {
		assert.NotEmpty(t, rows[task.ID], "%s: a task whose judge is not tested", task.ID)
	}
	for id, list := range rows {
		for _, row := range list {
			t.Run(id+"/"+row.Name, func(t *testing.T) {
				seen := j.Sound()
				row.Change(seen)
				v, err := j.task(t, id).Judge(j.Observations(t, seen))
				require.NoError(t, err)
				assert.Equal(t, row.Status, v.Status, v.Message)
				assert.InDelta(t, row.Fraction, v.Fraction, 1e-9)
				if !slices.Contains(v.Details, row.Message) {
					assert.Contains(t, v.Message, row.Message)
				}
				if row.Status != judge.Pass {
					assert.NotEmpty(t, v.Message, "who does not pass is told why")
				}
			})
		}
	}
}

// Hinted asks for the hint on what is found where one thing is changed, by task and by finding or cell; "" is where
// only the task's own hints are right. Each hint of that kind must be one that a submission can come to.
func (j Judges[S]) Hinted(t *testing.T, rows map[string]map[string][]func(*S)) {
	for _, task := range j.Tasks {
		for found := range task.Symptoms {
			assert.NotEmpty(t, rows[task.ID][found], "%s: no submission is shown the hint on %q", task.ID, found)
		}
		for _, hint := range task.Hints {
			for _, found := range hint.For {
				assert.NotEmpty(t, rows[task.ID][found], "%s: no submission is shown the hint for %q", task.ID, found)
			}
		}
	}
	for id, list := range rows {
		task := j.task(t, id)
		for found, changes := range list {
			want := task.HintsOn(judge.Verdict{Finding: found})
			for i, change := range changes {
				seen := j.Sound()
				change(seen)
				for _, result := range j.Judge(t, seen).Kernels[0].Tasks {
					if result.ID == id {
						assert.NotEqual(t, judge.Pass, result.Status, "%s, %q, %d", id, found, i)
						assert.Equal(t, want, task.HintsOn(result.Verdict), "%s, %q, %d: %s %q: %s", id, found, i, result.Cell, result.Finding, result.Message)
					}
				}
			}
		}
	}
}

// Missing asks for an error where one of the observations that a task needs is missing: then the
// grader has failed, not the submission.
func (j Judges[S]) Missing(t *testing.T, needs map[string][]string) {
	for _, task := range j.Tasks {
		assert.NotEmpty(t, needs[task.ID], "%s: a task that needs nothing", task.ID)
	}
	for id, names := range needs {
		for _, name := range names {
			_, err := j.task(t, id).Judge(j.Observations(t, j.Sound(), name))
			assert.ErrorContains(t, err, `"`+name+`"`, "%s without %q", id, name)
		}
	}
}

// Impossible is what cannot be observed, and the task whose judge must say so.
type Impossible[S any] = struct {
	Task   string
	Change func(*S)
}

// Impossible asks for errors.
func (j Judges[S]) Impossible(t *testing.T, cases map[string]Impossible[S]) {
	for name, c := range cases {
		seen := j.Sound()
		c.Change(seen)
		_, err := j.task(t, c.Task).Judge(j.Observations(t, seen))
		assert.Error(t, err, name)
	}
}

// Rejected asks for a grade without points where the verifier has rejected the program, so that
// guests had nothing else to observe. static names what is known without them.
func (j Judges[S]) Rejected(t *testing.T, static ...string) {
	o := job.Observations{}
	for _, name := range static {
		require.NoError(t, o.Set(name, j.Named(j.Sound())[name]))
	}
	require.NoError(t, o.Set(verifier.Observed, verifier.Report{Message: "Unreleased reference"}))
	r := judge.Judge(j.Tasks, []judge.Case{{Kernel: "5.10", Observations: o}})
	assert.True(t, r.Complete)
	assert.Zero(t, r.Score)
	for _, task := range r.Kernels[0].Tasks {
		assert.Equal(t, judge.Fail, task.Status, task.ID)
	}
}
