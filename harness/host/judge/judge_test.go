// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/job"
)

// task is one whose verdict is the observation of its name.
func task(id string, points float64, needs ...string) Task {
	return Task{ID: id, Title: "task " + id, Points: points, Needs: needs, Judge: func(o job.Observations) (Verdict, error) {
		return job.Get[Verdict](o, id)
	}}
}

// follower is a task that earns in proportion to another one, from a part of that one's points on.
func follower(id string, points float64, other string, from float64, needs ...string) Task {
	t := task(id, points, needs...)
	t.Follows = map[string]float64{other: from}
	return t
}

// seen is a case in which those verdicts are observed.
func seen(t testing.TB, verdicts map[string]Verdict) Case {
	t.Helper()
	o := job.Observations{}
	for name, v := range verdicts {
		require.NoError(t, o.Set(name, v))
	}
	return Case{Kernel: "6.12", Release: "6.12.1", Observations: o}
}

var (
	pass         = Verdict{Status: Pass, Fraction: 1}
	half         = Verdict{Status: Partial, Fraction: 0.5, Message: "half way"}
	fail         = Verdict{Status: Fail, Message: "bad"}
	skip         = Verdict{Status: Skip, Message: "no live frames"}
	inconclusive = Verdict{Status: Inconclusive, Message: "too noisy"}
)

func TestBetween(t *testing.T) {
	for _, tt := range []struct {
		name              string
		cost, worst, best float64
		want              float64
	}{
		{"at the best", 10, 110, 10, 1},
		{"below the best", 9, 110, 10, 1},
		{"just above the best", 11, 110, 10, 0.99},
		{"half way", 60, 110, 10, 0.5},
		{"just below the worst", 109, 110, 10, 0.01},
		{"at the worst", 110, 110, 10, 0},
		{"above the worst", 1e9, 110, 10, 0},
		{"negative costs", -5, 0, -10, 0.5},
		{"no room between the anchors, at them", 10, 10, 10, 1},
		{"no room between the anchors, above", 11, 10, 10, 0},
		{"anchors the wrong way round, above both", 30, 10, 20, 0},
		{"anchors the wrong way round, below the best", 15, 10, 20, 1},
	} {
		assert.InDelta(t, tt.want, Between(tt.cost, tt.worst, tt.best), 1e-12, tt.name)
	}
}

func TestGraded(t *testing.T) {
	for fraction, want := range map[float64]Status{
		1: Pass, 1.5: Pass, math.Nextafter(1, 0): Partial, 0.5: Partial, 1e-9: Partial, 0: Fail, -1: Fail,
	} {
		assert.Equal(t, want, Graded(fraction), "fraction %v", fraction)
	}
}

func TestCost(t *testing.T) {
	flat := func(x float64) job.Timing { return job.Timing{Runs: 1000, Typical: x, Mean: x} }
	good := job.Timings{Empty: flat(100), Naive: flat(1100), Reference: flat(200), Yours: flat(300)}
	c, err := CostOf(good, 1000)
	require.NoError(t, err)
	assert.Equal(t, Cost{Empty: 100, Naive: 1100, Reference: 200, Yours: 300}, c)
	_, err = CostOf(good, 999)
	assert.ErrorContains(t, err, "1000 runs", "as many as were asked for")
	for _, bad := range []float64{0, -1, math.NaN(), math.Inf(1), 1e9} {
		for _, change := range []func(*job.Timings, float64){
			func(t *job.Timings, x float64) { t.Empty.Typical = x }, func(t *job.Timings, x float64) { t.Yours.Mean = x },
			func(t *job.Timings, x float64) { t.Naive.Mean = x }, func(t *job.Timings, x float64) { t.Reference.Typical = x },
		} {
			one := good
			change(&one, bad)
			_, err := CostOf(one, 0)
			assert.ErrorContains(t, err, "times make no sense", "%v", bad)
		}
	}
	one := good
	one.Yours.Runs = 0
	_, err = CostOf(one, 0)
	assert.ErrorContains(t, err, "times make no sense")
	one = good
	one.Reference = flat(99)
	_, err = CostOf(one, 0)
	assert.ErrorContains(t, err, "costs make no sense")

	// The average counts, less what interrupts the empty program as well, and one interruption more.
	one = good
	one.Empty.Mean, one.Yours.Mean = 110, 300+30+20+50
	c, err = CostOf(one, 0)
	require.NoError(t, err)
	assert.Equal(t, 350.0, c.Yours)
	assert.Equal(t, 50.0, c.Uneven)
	one.Reference.Mean = 200 + 20 + 20 + 30 // calls of several kinds
	c, err = CostOf(one, 0)
	require.NoError(t, err)
	assert.Equal(t, 20.0, c.Uneven, "beyond what the reference does")
}

// status and points of each task, in order.
type row struct {
	Status    Status
	Points    float64
	MaxPoints float64
}

func TestJudgeKernel(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tasks []Task
		seen  map[string]Verdict
		want  []row
		score float64
	}{
		{
			"all pass",
			[]Task{task("a", 40), task("b", 60, "a")},
			map[string]Verdict{"a": pass, "b": pass},
			[]row{{Pass, 40, 40}, {Pass, 60, 60}}, 100,
		}, {
			"some of the points",
			[]Task{task("a", 40), task("b", 25)},
			map[string]Verdict{"a": pass, "b": {Status: Partial, Fraction: 1. / 3}},
			[]row{{Pass, 40, 40}, {Partial, 8.3, 25}}, 48.3,
		}, {
			"half a tenth of a point is rounded up",
			[]Task{task("a", 10)},
			map[string]Verdict{"a": {Status: Partial, Fraction: 0.625}},
			[]row{{Partial, 6.3, 10}}, 6.3,
		}, {
			"tenths add up to tenths",
			[]Task{task("a", 0.1), task("b", 0.2), task("c", 0.3)},
			map[string]Verdict{"a": pass, "b": pass, "c": pass},
			[]row{{Pass, 0.1, 0.1}, {Pass, 0.2, 0.2}, {Pass, 0.3, 0.3}}, 0.6,
		}, {
			"fractions stay within 0 and 1",
			[]Task{task("a", 10), task("b", 10)},
			map[string]Verdict{"a": {Status: Pass, Fraction: 7}, "b": {Status: Fail, Fraction: -7}},
			[]row{{Pass, 10, 10}, {Fail, 0, 10}}, 10,
		}, {
			"a failed task closes the gate",
			[]Task{task("a", 40), task("b", 60, "a")},
			map[string]Verdict{"a": fail, "b": pass},
			[]row{{Fail, 0, 40}, {Fail, 0, 60}}, 0,
		}, {
			"a partial one does as well, and keeps its own points",
			[]Task{task("a", 40), task("b", 60, "a")},
			map[string]Verdict{"a": half, "b": pass},
			[]row{{Partial, 20, 40}, {Fail, 0, 60}}, 20,
		}, {
			"gates are in line",
			[]Task{task("a", 10), task("b", 10, "a"), task("c", 10, "b")},
			map[string]Verdict{"a": fail, "b": pass, "c": pass},
			[]row{{Fail, 0, 10}, {Fail, 0, 10}, {Fail, 0, 10}}, 0,
		}, {
			"one of two gates is enough",
			[]Task{task("a", 10), task("b", 10), task("c", 10, "a", "b")},
			map[string]Verdict{"a": pass, "b": fail, "c": pass},
			[]row{{Pass, 10, 10}, {Fail, 0, 10}, {Fail, 0, 10}}, 10,
		}, {
			"who follows earns in proportion, and so on in line",
			[]Task{task("a", 40), follower("b", 40, "a", 0), follower("c", 20, "b", 0)},
			map[string]Verdict{"a": half, "b": half, "c": pass},
			[]row{{Partial, 20, 40}, {Partial, 10, 40}, {Partial, 5, 20}}, 35,
		}, {
			"from a part of the points on",
			[]Task{task("a", 40), follower("b", 60, "a", 0.25)},
			map[string]Verdict{"a": half, "b": pass},
			[]row{{Partial, 20, 40}, {Partial, 20, 60}}, 40,
		}, {
			"up to that part nothing",
			[]Task{task("a", 40), follower("b", 60, "a", 0.5)},
			map[string]Verdict{"a": half, "b": pass},
			[]row{{Partial, 20, 40}, {Fail, 0, 60}}, 20,
		}, {
			"all where the other passed",
			[]Task{task("a", 40), follower("b", 60, "a", 0.25)},
			map[string]Verdict{"a": pass, "b": half},
			[]row{{Pass, 40, 40}, {Partial, 30, 60}}, 70,
		}, {
			"all where the other is skipped",
			[]Task{task("a", 40), follower("b", 60, "a", 0.25)},
			map[string]Verdict{"a": skip, "b": pass},
			[]row{{Skip, 0, 0}, {Pass, 100, 100}}, 100,
		}, {
			"nothing is decided behind an inconclusive task",
			[]Task{task("a", 40), follower("b", 60, "a", 0)},
			map[string]Verdict{"a": inconclusive, "b": pass},
			[]row{{Inconclusive, 0, 40}, {Inconclusive, 0, 60}}, 0,
		}, {
			"who follows one may need another",
			[]Task{task("a", 10), task("b", 10), follower("c", 10, "a", 0, "b")},
			map[string]Verdict{"a": half, "b": fail, "c": pass},
			[]row{{Partial, 5, 10}, {Fail, 0, 10}, {Fail, 0, 10}}, 5,
		}, {
			"what fails by itself stays so",
			[]Task{task("a", 10), follower("b", 10, "a", 0)},
			map[string]Verdict{"a": half, "b": fail},
			[]row{{Partial, 5, 10}, {Fail, 0, 10}}, 5,
		}, {
			"what is not needed closes nothing",
			[]Task{task("a", 10), task("b", 10)},
			map[string]Verdict{"a": fail, "b": pass},
			[]row{{Fail, 0, 10}, {Pass, 10, 10}}, 10,
		}, {
			"behind an inconclusive task nothing is decided",
			[]Task{task("a", 40), task("b", 60, "a")},
			map[string]Verdict{"a": inconclusive, "b": pass},
			[]row{{Inconclusive, 0, 40}, {Inconclusive, 0, 60}}, 0,
		}, {
			"a skipped task leaves its points to the others, and opens the gate",
			[]Task{task("a", 20), task("b", 20, "a"), task("c", 60)},
			map[string]Verdict{"a": skip, "b": pass, "c": pass},
			[]row{{Skip, 0, 0}, {Pass, 25, 25}, {Pass, 75, 75}}, 100,
		}, {
			"and they lose it as their own",
			[]Task{task("a", 20), task("b", 20), task("c", 60)},
			map[string]Verdict{"a": skip, "b": half, "c": fail},
			[]row{{Skip, 0, 0}, {Partial, 12.5, 25}, {Fail, 0, 75}}, 12.5,
		}, {
			"points that do not divide evenly are shown as they count, in tenths",
			[]Task{task("a", 30), task("b", 20), task("c", 50)},
			map[string]Verdict{"a": skip, "b": pass, "c": half},
			[]row{{Skip, 0, 0}, {Pass, 28.6, 28.6}, {Partial, 35.7, 71.4}}, 64.3,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := seen(t, tt.seen)
			r := Judge(tt.tasks, []Case{c})
			require.Len(t, r.Kernels, 1)
			k := r.Kernels[0]
			var got []row
			for _, task := range k.Tasks {
				got = append(got, row{task.Status, task.Points, task.MaxPoints})
			}
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.score, k.Score)
			assert.Equal(t, tt.score, r.Score)
			assert.True(t, r.Complete)
			assert.Equal(t, r, Judge(tt.tasks, []Case{c}), "the same observations must give the same result")
		})
	}
}

// Behind a closed gate what was measured stays, but nothing is said of it: the fault is elsewhere.
func TestGateSaysNothing(t *testing.T) {
	lost := Verdict{Status: Fail, Cell: "LOST", Message: "lost", Measured: Quantity{9, "lost"}, Details: []string{"how"}, Doubt: "odd"}
	r := Judge([]Task{task("a", 40), task("b", 60, "a"), task("c", 0, "b", "a")},
		[]Case{seen(t, map[string]Verdict{"a": fail, "b": lost, "c": pass})})
	want := Verdict{Status: Fail, Cell: "-", Waits: true, Message: "not judged: task 1 first"}
	assert.Equal(t, want, r.Kernels[0].Tasks[2].Verdict, "the first of those that it needs")
	want.Measured = lost.Measured
	assert.Equal(t, want, r.Kernels[0].Tasks[1].Verdict)
}

// A task that is scored in proportion says so, beside what was found.
func TestProportionIsTold(t *testing.T) {
	almost := Verdict{Status: Partial, Fraction: 0.9999}
	for _, tt := range []struct {
		first, second Verdict
		message       string
	}{
		{half, Verdict{Status: Pass, Fraction: 1, Message: "2%", Cell: "ok"}, "2%; scored at 50%, in proportion to task 1"},
		{half, pass, "scored at 50%, in proportion to task 1"},
		{almost, pass, "scored at 99.9%, in proportion to task 1"},
		{half, fail, "bad"},
		{fail, pass, "not judged: task 1 first"},
		{pass, pass, ""},
	} {
		v := Judge([]Task{task("a", 50), follower("b", 50, "a", 0)}, []Case{seen(t, map[string]Verdict{"a": tt.first, "b": tt.second})}).Kernels[0].Tasks[1].Verdict
		assert.Equal(t, tt.message, v.Message)
		if v.Status == Partial {
			assert.Equal(t, tt.second.Cell, v.Cell)
		}
	}
	missing := Judge([]Task{task("a", 50), follower("b", 50, "a", 0)}, []Case{seen(t, map[string]Verdict{"a": half})}).Kernels[0]
	assert.True(t, missing.Undecided(), "points could have been earned, and the grader saw nothing")
}

// What the grader could not observe or judge is its own fault: no score comes of it.
func TestGraderFaults(t *testing.T) {
	tasks := []Task{task("a", 40), task("b", 60, "a")}
	good := seen(t, map[string]Verdict{"a": pass, "b": half})
	missing := seen(t, map[string]Verdict{"b": pass})
	broken := Case{Kernel: "5.10", Err: errors.New("the guest did not boot")}

	t.Run("missing observation", func(t *testing.T) {
		r := Judge(tasks, []Case{missing})
		assert.False(t, r.Complete)
		assert.False(t, r.Passed())
		assert.Zero(t, r.Score)
		a, b := r.Kernels[0].Tasks[0], r.Kernels[0].Tasks[1]
		assert.Equal(t, Error, a.Status)
		assert.Contains(t, a.Message, `"a"`)
		assert.Equal(t, Error, b.Status, "behind an error nothing is decided either")
		assert.Zero(t, b.Points)
	})
	t.Run("no observations at all", func(t *testing.T) {
		r := Judge(tasks, []Case{broken})
		require.True(t, r.Kernels[0].Undecided())
		for _, task := range r.Kernels[0].Tasks {
			assert.Equal(t, Error, task.Status)
			assert.Equal(t, "the guest did not boot", task.Message)
		}
	})
	t.Run("an error behind a failed task", func(t *testing.T) {
		r := Judge(tasks, []Case{seen(t, map[string]Verdict{"a": fail})})
		b := r.Kernels[0].Tasks[1]
		assert.Equal(t, Fail, b.Status, "there are no points, whatever would have been seen")
		assert.Equal(t, "not judged: task 1 first", b.Message)
		assert.Equal(t, "-", b.Cell)
		assert.True(t, r.Complete)
	})
	t.Run("a submission that ended its guest", func(t *testing.T) {
		c := seen(t, map[string]Verdict{"a": pass})
		require.NoError(t, c.Observations.SetFate(job.Fate{Stage: "throughput", Trouble: "guest fell silent"}))
		r := Judge(tasks, []Case{c})
		assert.True(t, r.Complete, "that is its own fault")
		a, b := r.Kernels[0].Tasks[0], r.Kernels[0].Tasks[1]
		assert.Equal(t, Pass, a.Status, "what was observed counts")
		assert.Equal(t, Fail, b.Status)
		assert.Equal(t, "DIED", b.Cell)
		assert.Equal(t, `the guest did not survive this program: guest fell silent, in the scene "throughput"; a guest of the same kind runs the reference program without trouble`, b.Message)
		c.Observations.ForgetFate()
		assert.False(t, Judge(tasks, []Case{c}).Complete)
	})
	// The broken kernel must not pull the score down, wherever it stands in the matrix.
	for name, cases := range map[string][]Case{"first": {broken, good}, "last": {good, broken}} {
		t.Run("the other kernel's score counts, broken one "+name, func(t *testing.T) {
			r := Judge(tasks, cases)
			assert.Equal(t, 70.0, r.Score)
			assert.False(t, r.Complete)
			assert.False(t, r.Passed())
		})
	}
}

func TestLeastOfTheKernels(t *testing.T) {
	tasks := []Task{task("a", 100)}
	at := func(fraction float64) Case {
		return seen(t, map[string]Verdict{"a": {Status: Graded(fraction), Fraction: fraction}})
	}
	for _, tt := range []struct {
		cases  []Case
		score  float64
		passed bool
	}{
		{[]Case{at(0.8), at(0.6), at(1)}, 60, false},
		{[]Case{at(0), at(1)}, 0, false},
		{[]Case{at(1), at(0)}, 0, false},
		{[]Case{at(1), at(0.999)}, 99.9, false},
		{[]Case{at(1), at(1)}, 100, true},
		{nil, 0, false},
	} {
		r := Judge(tasks, tt.cases)
		assert.Equal(t, tt.score, r.Score)
		assert.Equal(t, 100.0, r.MaxScore)
		assert.Equal(t, tt.passed, r.Passed(), "score %v", r.Score)
		assert.True(t, r.Complete)
	}
}

// All points on the kernels that could be graded are no pass while another could not be.
func TestLostKernelIsNotPassed(t *testing.T) {
	r := Judge([]Task{task("a", 100)}, []Case{
		{Kernel: "5.10", Err: errors.New("the guest did not boot")}, seen(t, map[string]Verdict{"a": pass}),
	})
	require.Equal(t, r.MaxScore, r.Score)
	assert.False(t, r.Passed())
}

// A verdict in doubt is worth nothing before the submission was observed again. Then the worse of both counts.
func TestAgain(t *testing.T) {
	tasks := []Task{task("a", 40), task("b", 60, "a")}
	doubt := Verdict{Status: Pass, Fraction: 1, Message: "1 instruction", Doubt: "next to nothing"}
	silent := Verdict{Status: Fail}
	for _, tt := range []struct {
		name         string
		first, again map[string]Verdict // again nil: not observed again
		want         []row
		doubtful     bool
		message      string // of a
	}{
		{
			"not yet confirmed", map[string]Verdict{"a": doubt, "b": pass}, nil,
			[]row{{Inconclusive, 0, 40}, {Pass, 60, 60}}, true,
			"1 instruction; that is next to nothing, suspiciously low, and not accepted until confirmed with another seed",
		}, {
			"confirmed", map[string]Verdict{"a": doubt, "b": pass}, map[string]Verdict{"a": doubt, "b": pass},
			[]row{{Pass, 40, 40}, {Pass, 60, 60}}, false,
			"1 instruction; that is next to nothing, so it was checked again with another seed, which confirmed it",
		}, {
			"worse again, and so what needs it", map[string]Verdict{"a": doubt, "b": pass}, map[string]Verdict{"a": half, "b": pass},
			[]row{{Partial, 20, 40}, {Fail, 0, 60}}, false, "checked again with another seed: half way",
		}, {
			"worse again, with nothing to say", map[string]Verdict{"a": doubt, "b": pass}, map[string]Verdict{"a": silent, "b": pass},
			[]row{{Fail, 0, 40}, {Fail, 0, 60}}, false, "checked again with another seed",
		}, {
			"better again", map[string]Verdict{"a": half, "b": doubt}, map[string]Verdict{"a": pass, "b": pass},
			[]row{{Partial, 20, 40}, {Fail, 0, 60}}, false, "half way",
		}, {
			"not observed again, though there was nothing to lose", map[string]Verdict{"a": fail, "b": pass}, map[string]Verdict{"b": pass},
			[]row{{Error, 0, 40}, {Error, 0, 60}}, false, `checked again with another seed: nothing was observed of "a"`,
		}, {
			"not observed at all", map[string]Verdict{"b": pass}, map[string]Verdict{"b": pass},
			[]row{{Error, 0, 40}, {Error, 0, 60}}, false, `nothing was observed of "a"`,
		}, {
			"in doubt behind a closed gate", map[string]Verdict{"a": fail, "b": doubt}, nil,
			[]row{{Fail, 0, 40}, {Fail, 0, 60}}, false, "bad",
		}, {
			"inconclusive, but not in doubt", map[string]Verdict{"a": inconclusive, "b": pass}, nil,
			[]row{{Inconclusive, 0, 40}, {Inconclusive, 0, 60}}, false, "too noisy",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := seen(t, tt.first)
			if tt.again != nil {
				c.Again = seen(t, tt.again).Observations
			}
			k := Judge(tasks, []Case{c}).Kernels[0]
			var got []row
			for _, task := range k.Tasks {
				got = append(got, row{task.Status, task.Points, task.MaxPoints})
			}
			assert.Equal(t, tt.want, got)
			assert.Equal(t, tt.doubtful, k.Doubtful())
			assert.Equal(t, tt.message, k.Tasks[0].Message)
		})
	}
}

func TestNothingIsNotPassed(t *testing.T) {
	assert.False(t, Judge(nil, nil).Passed())
	assert.False(t, Result{}.Passed())
}

func TestRefused(t *testing.T) {
	tasks := []Task{task("a", 40), task("b", 60, "a")}
	r := Refused(tasks, []string{"5.10", "6.12"}, "does not compile", []string{"line 1", "line 2"})
	assert.Zero(t, r.Score)
	assert.Equal(t, 100.0, r.MaxScore)
	assert.True(t, r.Complete, "it is the submission's fault")
	assert.False(t, r.Passed())
	require.Len(t, r.Kernels, 2)
	for i, name := range []string{"5.10", "6.12"} {
		k := r.Kernels[i]
		assert.Equal(t, name, k.Name)
		assert.Equal(t, Verdict{Status: Fail, Cell: "-", Message: "does not compile", Details: []string{"line 1", "line 2"}}, k.Tasks[0].Verdict)
		assert.Equal(t, Verdict{Status: Fail, Cell: "-"}, k.Tasks[1].Verdict, "the reason is told once")
	}
	assert.Equal(t, []string{"a"}, tasks[1].Needs, "the lab's own tasks must not change")
}

// Of kernels with the same score the first decides, of those that have one.
func TestLowest(t *testing.T) {
	lost := []TaskResult{{Verdict: Verdict{Status: Error}}}
	for want, kernels := range map[string][]KernelResult{
		"first":  {{Name: "first", Score: 10}, {Name: "second", Score: 10}},
		"second": {{Name: "first", Score: 11}, {Name: "second", Score: 10}, {Name: "third", Score: 10}},
		"graded": {{Name: "lost", Tasks: lost}, {Name: "graded", Score: 10}, {Name: "lost as well", Tasks: lost}},
	} {
		assert.Equal(t, want, Result{Kernels: kernels}.Lowest().Name)
	}
}

// What is left is what did not pass on some kernel; what comes next is where points are to be had.
func TestLeftAndNext(t *testing.T) {
	part := func(fraction float64) TaskResult {
		return TaskResult{Points: fraction, Verdict: Verdict{Status: Graded(fraction), Fraction: fraction}}
	}
	named := func(id, cause string, waits bool) TaskResult {
		return TaskResult{ID: id, Verdict: Verdict{Status: Fail, Cause: cause, Waits: waits}}
	}
	skip, none := TaskResult{Verdict: Verdict{Status: Skip}}, TaskResult{}
	kernel := func(tasks ...TaskResult) (k KernelResult) {
		for _, t := range tasks {
			k.Score += t.Points
		}
		k.Tasks = tasks
		return k
	}
	for _, tt := range []struct {
		kernels []KernelResult
		left    []int
		next    int
	}{
		{[]KernelResult{kernel(part(1), part(0.98), part(0.2), part(0))}, []int{1, 2, 3}, 2},
		{[]KernelResult{kernel(part(1), part(0.98), part(1), part(0.99))}, []int{1, 3}, 1},
		{[]KernelResult{kernel(part(1), part(0.95), part(0.94))}, []int{1, 2}, 2},
		{[]KernelResult{kernel(part(1), skip, none)}, nil, -1},
		{[]KernelResult{kernel(part(0.5), part(1)), kernel(part(1), part(0))}, []int{0, 1}, 1},
		{[]KernelResult{kernel(part(1), part(0.99)), kernel(part(0.98), part(1))}, []int{0, 1}, 0},
		{[]KernelResult{kernel(part(1), part(1)), kernel(part(1), part(1))}, nil, -1},
		{[]KernelResult{kernel(part(1), named("a", "b", false), named("b", "", false))}, []int{1, 2}, 2},
		{[]KernelResult{kernel(part(1), named("a", "b", false), named("b", "", true))}, []int{1, 2}, 1},
		{[]KernelResult{kernel(part(1), named("a", "b", false), part(1))}, []int{1}, 1},
		{nil, nil, -1},
	} {
		r := Result{Kernels: tt.kernels}
		assert.Equal(t, tt.left, r.Left(), "%+v", tt.kernels)
		assert.Equal(t, tt.next, r.Next(), "%+v", tt.kernels)
	}
}
