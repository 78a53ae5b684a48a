// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// Judge returns the judge of a lab's first task: the verifier accepts the program, and has to
// process no more than budget instructions for that. Nothing is left of the points at ten
// times the budget. A rejection is shown with the end of its log and, where its kind is known,
// with what it means.
func Judge(budget int) func(job.Observations) (judge.Verdict, error) {
	return func(o job.Observations) (judge.Verdict, error) {
		load, err := job.Get[verifier.Report](o, verifier.Observed)
		if err != nil {
			return judge.Verdict{}, err
		}
		v := judge.Verdict{Target: judge.Quantity{Value: float64(budget), Unit: "processed instructions"}}
		if load.Stats.Processed < 0 || load.Try < 0 {
			return v, fmt.Errorf("%d processed instructions and %v ns a run make no sense", load.Stats.Processed, load.Try)
		}
		if !load.Accepted {
			v.Status, v.Cell = judge.Fail, "NO"
			v.Message = "rejected: " + load.Message
			if load.Source != "" {
				v.Message += " at " + load.Source
			}
			if e, ok := Rejection(load); ok { // first what helps most
				v.Details = e.Lines()
			}
			v.Details = append(v.Details, load.Log...)
			return v, nil
		}
		v.Measured = judge.Quantity{Value: float64(load.Stats.Processed), Unit: v.Target.Unit}
		v.Fraction = judge.Between(v.Measured.Value, 10*v.Target.Value, v.Target.Value)
		v.Status = judge.Graded(v.Fraction)
		if v.Fraction < 1 {
			v.Cell = fmt.Sprint(load.Stats.Processed)
			v.Message = fmt.Sprintf("the verifier had to look at %d instructions; the budget is %d", load.Stats.Processed, budget)
		}
		if load.Stats.Processed > verifier.MaxRun {
			v.Message += fmt.Sprintf(", and above %d a program is not run", verifier.MaxRun)
		}
		return v, nil
	}
}

// IfLoaded judges a task of what the program does as it runs. Of one that the verifier
// rejected, or that would run for too long, nothing more was observed: that is no fault of the
// grader's.
func IfLoaded(task func(job.Observations) (judge.Verdict, error)) func(job.Observations) (judge.Verdict, error) {
	return func(o job.Observations) (judge.Verdict, error) {
		load, err := job.Get[verifier.Report](o, verifier.Observed)
		if err != nil {
			return judge.Verdict{}, err
		}
		if _, there := o[verifier.ObservedSMP]; there {
			smp, err := job.Get[verifier.Report](o, verifier.ObservedSMP)
			if err != nil {
				return judge.Verdict{}, err
			}
			if load.Runs() && !smp.Runs() {
				load = smp
			}
		}
		switch {
		case !load.Accepted:
			return judge.Verdict{Status: judge.Fail, Cell: "-", Message: "the program was not loaded"}, nil
		case load.Try > verifier.MaxTry:
			return judge.Verdict{Status: judge.Fail, Cell: "SLOW", Message: fmt.Sprintf(
				"a run takes some %.0f instructions; a program that takes more than %d is not run further", load.Try, verifier.MaxTry)}, nil
		case !load.Runs():
			return judge.Verdict{Status: judge.Fail, Cell: "-", Message: "the program was not run"}, nil
		}
		return task(o)
	}
}
