// SPDX-License-Identifier: Apache-2.0

// Package judge turns what was observed into verdicts and points. It is pure: the same
// observations give the same score, anywhere, at any time.
package judge

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"bpflab/harness/job"
)

// Status is what became of a task.
type Status string

const (
	Pass         Status = "pass"
	Partial      Status = "partial"      // some of the points
	Fail         Status = "fail"         // the submission's fault
	Skip         Status = "skip"         // the kernel cannot do it; the points go to the other tasks
	Inconclusive Status = "inconclusive" // what was seen does not tell
	Error        Status = "error"        // the grader's fault
)

// Quantity is a number with its unit.
type Quantity struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Verdict is what a task's judge says of one kernel.
type Verdict struct {
	Status   Status
	Fraction float64 // of the task's points, 0 to 1
	Measured Quantity
	Target   Quantity
	Cell     string // a word or a number for a table; empty: the status's own word
	Finding  string // what was found, where the cell says less of it: hints go by it
	Cause    string // the task whose fault this is, if it is another one's: work on that first
	Message  string
	Details  []string // lines that a reader needs to fix it, e.g. the end of the verifier's log
	// Waits says that another task has to pass before this one is judged.
	Waits bool
	// Doubt says what is too good to be believed at once: such a verdict stands only if the
	// submission does the same once more, with another seed.
	Doubt string
}

// Task is one thing a submission is graded on.
type Task struct {
	ID, Title string
	Points    float64
	Needs     []string // tasks that must pass before this one earns points
	// Follows are tasks that must work for this one to mean something, though not in every case. Up to the part of
	// such a task's points that stands beside its ID this one earns nothing; from there on it earns in proportion.
	Follows map[string]float64
	Hints   []Hint // least revealing first
	// Symptoms are hints for what is wrong, by the verdict's finding or else its cell: "LATE" needs
	// another than "BUSY". One comes before Hints.
	Symptoms map[string]string
	// Cost: what a run of the BPF program costs decides how many points there are. Where some are lost, a grade says which
	// lines the cost is in.
	Cost  bool
	Judge func(job.Observations) (Verdict, error)
}

// Hint is one of a task's.
type Hint struct {
	Text string
	For  []string // what a verdict found, as in Symptoms, where it helps; none: always
}

// Hints are some that always help.
func Hints(texts ...string) (all []Hint) {
	for _, text := range texts {
		all = append(all, Hint{Text: text})
	}
	return all
}

// HintsOn are the task's hints where a verdict is not a pass, the least revealing first: the one for what was
// found, then those that fit it. All fit where nothing was found that the task has a hint for.
func (t Task) HintsOn(v Verdict) (texts []string) {
	if symptom := cmp.Or(t.Symptoms[v.Finding], t.Symptoms[v.Cell]); symptom != "" {
		texts = append(texts, symptom)
	}
	found := cmp.Or(v.Finding, v.Cell)
	fits := func(h Hint) bool { return slices.Contains(h.For, found) }
	known := t.Symptoms[found] != "" || slices.ContainsFunc(t.Hints, fits)
	for _, h := range t.Hints {
		if !known || len(h.For) == 0 || fits(h) {
			texts = append(texts, h.Text)
		}
	}
	return texts
}

// Case is one kernel: what was seen on it, or why nothing was.
type Case struct {
	Kernel       string // as in the matrix
	Release      string // uname -r
	Observations job.Observations
	Again        job.Observations // with another seed, for verdicts in doubt; nil: not asked for
	Err          error            // not nil: the grader could not observe
}

// TaskResult is a task's verdict on one kernel, and its points.
type TaskResult struct {
	ID, Title string
	Points    float64
	MaxPoints float64
	Verdict
}

// KernelResult is a submission's result on one kernel.
type KernelResult struct {
	Name, Release string
	Score         float64
	Tasks         []TaskResult
}

// Undecided reports whether the grader failed on this kernel, so that it has no score.
func (k KernelResult) Undecided() bool {
	for _, t := range k.Tasks {
		if t.Status == Error {
			return true
		}
	}
	return false
}

// Result is a submission's result on all kernels.
type Result struct {
	Score, MaxScore float64 // Score is the least of the kernels that have one
	Complete        bool    // false: the grader failed on some kernel, and Score is provisional
	Kernels         []KernelResult
}

// Passed reports whether every task passed on every kernel.
func (r Result) Passed() bool {
	return r.Complete && len(r.Kernels) > 0 && r.Score == r.MaxScore
}

// Lowest is the kernel with the lowest score of those that have one: the kernel whose score is the
// submission's. There is one at least.
func (r Result) Lowest() KernelResult {
	least := r.Kernels[0]
	for _, k := range r.Kernels {
		if !k.Undecided() && (least.Undecided() || k.Score < least.Score) {
			least = k
		}
	}
	return least
}

// Left are the tasks, from 0, that did not pass on some kernel. Those without a verdict are none.
func (r Result) Left() (tasks []int) {
	for _, k := range r.Kernels {
		for n, t := range k.Tasks {
			if t.left() && !slices.Contains(tasks, n) {
				tasks = append(tasks, n)
			}
		}
	}
	slices.Sort(tasks)
	return tasks
}

func (t TaskResult) left() bool { return t.Status != "" && t.Status != Pass && t.Status != Skip }

// nearly is the part of a task's points with which there is more to gain elsewhere.
const nearly = 0.95

// Next is the task, from 0, to work on: the first that lacks more than a few points on the kernel that decides the
// score, or the one that is the cause of that; else the first that lacks any there, or on another kernel. It is -1 where
// none is left.
func (r Result) Next() int {
	left := r.Left()
	if len(left) == 0 {
		return -1
	}
	tasks := r.Lowest().Tasks
	if n := slices.IndexFunc(tasks, func(t TaskResult) bool { return t.left() && t.Fraction < nearly }); n >= 0 {
		cause := slices.IndexFunc(tasks, func(t TaskResult) bool { return t.ID != "" && t.ID == tasks[n].Cause && t.left() && !t.Waits })
		if cause >= 0 {
			return cause
		}
		return n
	}
	if n := slices.IndexFunc(tasks, TaskResult.left); n >= 0 {
		return n
	}
	return left[0]
}

// Refused is the result of a submission that never came to run: every task fails, on every
// kernel, for the one reason.
func Refused(tasks []Task, kernels []string, reason string, details []string) Result {
	var cases []Case
	refused := make([]Task, len(tasks))
	for i, t := range tasks {
		refused[i] = t
		refused[i].Needs = nil
		refused[i].Judge = func(job.Observations) (Verdict, error) {
			v := Verdict{Status: Fail, Cell: "-"}
			if i == 0 {
				v.Message, v.Details = reason, details
			}
			return v, nil
		}
	}
	for _, name := range kernels {
		cases = append(cases, Case{Kernel: name})
	}
	return Judge(refused, cases)
}

// Judge judges every task on every kernel.
func Judge(tasks []Task, cases []Case) Result {
	r := Result{Complete: true}
	for _, t := range tasks {
		r.MaxScore += t.Points
	}
	scored := false
	for _, c := range cases {
		k := judgeKernel(tasks, c)
		r.Kernels = append(r.Kernels, k)
		if k.Undecided() {
			r.Complete = false
			continue
		}
		if !scored || k.Score < r.Score {
			r.Score, scored = k.Score, true
		}
	}
	return r
}

// judgeKernel judges a case and, where it was observed once more, that too: of each task the worse
// verdict counts.
func judgeKernel(tasks []Task, c Case) KernelResult {
	verdicts := verdictsOn(tasks, c, c.Observations)
	if c.Again != nil {
		for id, again := range verdictsOn(tasks, c, c.Again) {
			v := verdicts[id]
			switch {
			case v.Status != Error && (again.Status == Error || again.Fraction < v.Fraction):
				again.Message = strings.TrimSuffix("checked again with another seed: "+again.Message, ": ")
				verdicts[id] = again
			case v.Doubt != "":
				v.Message = fmt.Sprintf("%s; that is %s, so it was checked again with another seed, which confirmed it", v.Message, v.Doubt)
				verdicts[id] = v
			}
		}
	}
	k := KernelResult{Name: c.Kernel, Release: c.Release}
	var lost, total float64 // points that skipped tasks leave to the others
	for _, t := range tasks {
		total += t.Points
		if verdicts[t.ID].Status == Skip {
			lost += t.Points
		}
	}
	for _, t := range tasks {
		v := verdicts[t.ID]
		if v.Doubt != "" && c.Again == nil {
			v.Status, v.Fraction = Inconclusive, 0
			v.Message = fmt.Sprintf("%s; that is %s, suspiciously low, and not accepted until confirmed with another seed", v.Message, v.Doubt)
		}
		tr := TaskResult{ID: t.ID, Title: t.Title, MaxPoints: t.Points, Verdict: v}
		if v.Status == Skip {
			tr.MaxPoints = 0
		} else if lost > 0 {
			tr.MaxPoints = round(t.Points * total / (total - lost))
		}
		tr.Points = round(tr.MaxPoints * v.Fraction)
		k.Score += tr.Points
		k.Tasks = append(k.Tasks, tr)
	}
	k.Score = round(k.Score)
	return k
}

// verdictsOn is the verdict on each task, by its name.
func verdictsOn(tasks []Task, c Case, o job.Observations) map[string]Verdict {
	verdicts := make(map[string]Verdict, len(tasks))
	for _, t := range tasks {
		v := verdict(t, c, o)
		switch n, share := limit(t, tasks, verdicts); {
		case share == 0:
			v = gated(v, n, verdicts[tasks[n].ID].Status)
		case share < 1:
			v = inProportion(v, n, share)
		}
		verdicts[t.ID] = v
	}
	return verdicts
}

// verdict is what the task's judge says, whatever the other tasks are.
func verdict(t Task, c Case, o job.Observations) Verdict {
	if c.Err != nil {
		return Verdict{Status: Error, Message: c.Err.Error()}
	}
	v, err := t.Judge(o)
	if err != nil {
		if fate, fateErr := o.GetFate(); fateErr == nil {
			return Verdict{Status: Fail, Cell: "DIED", Message: fmt.Sprintf(
				"the guest did not survive this program: %s, in the scene %q; a guest of the same kind runs the reference program without trouble", fate.Trouble, fate.Stage)}
		}
		return Verdict{Status: Error, Message: err.Error()}
	}
	if !(v.Fraction >= 0) { // NaN as well
		v.Fraction = 0
	}
	v.Fraction = min(v.Fraction, 1)
	return v
}

// Doubtful reports whether a verdict on this kernel stands only if it is confirmed.
func (k KernelResult) Doubtful() bool {
	return slices.ContainsFunc(k.Tasks, func(t TaskResult) bool { return t.Status == Inconclusive && t.Doubt != "" })
}

// limit is the share of a task's points that the tasks before it leave to it, and the index of the one that decides
// that, or -1 where nothing is taken away.
func limit(t Task, tasks []Task, verdicts map[string]Verdict) (n int, share float64) {
	n, share = -1, 1
	for i, other := range tasks {
		v := verdicts[other.ID]
		from, follows := t.Follows[other.ID]
		if v.Status == Pass || v.Status == Skip || !follows && !slices.Contains(t.Needs, other.ID) {
			continue
		}
		left := 0.0
		if follows {
			left = Between(-v.Fraction, -from, -1)
		}
		if left < share {
			n, share = i, left
		}
	}
	return n, share
}

// Followed is the finding where nothing is wrong but a task that this one follows.
const Followed = "followed"

// inProportion leaves a share of a task's points, by what task n earned. What its judge says stays.
func inProportion(v Verdict, n int, share float64) Verdict {
	if v.Fraction == 0 {
		return v
	}
	if v.Fraction == 1 {
		v.Finding = Followed
	}
	v.Status, v.Fraction = Partial, v.Fraction*share
	// Rounded down, so that no 100% stands beside missing points.
	scored := fmt.Sprintf("scored at %v%%, in proportion to task %d", math.Floor(1000*share)/10, n+1)
	v.Message = strings.TrimPrefix(v.Message+"; "+scored, "; ")
	return v
}

// gated takes the points of a task away, and what its judge says: where a task that it needs has failed, the
// same fault may look like another one here. What was measured stays. That nothing could be measured is an
// error only where it is not sure that there are no points.
func gated(v Verdict, need int, status Status) Verdict {
	sure := status == Fail || status == Partial
	if v.Status == Error && !sure {
		return v
	}
	if sure {
		status = Fail
	}
	return Verdict{Status: status, Cell: "-", Measured: v.Measured, Target: v.Target, Waits: true, Message: fmt.Sprintf("not judged: task %d first", need+1)}
}

// round keeps one decimal, so that a score prints as it counts.
func round(points float64) float64 { return math.Round(points*10) / 10 }

// Between scores a cost between two anchors: nothing at the worst or above, everything at
// the best or below.
func Between(cost, worst, best float64) float64 {
	if cost <= best {
		return 1
	}
	if worst <= best {
		return 0
	}
	return min(max((worst-cost)/(worst-best), 0), 1)
}

// Graded is the status of a fraction.
func Graded(fraction float64) Status {
	switch {
	case fraction >= 1:
		return Pass
	case fraction > 0:
		return Partial
	}
	return Fail
}
