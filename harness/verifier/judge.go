// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"fmt"

	"bpflab/harness/judge"
)

// Judge returns the judge of a task that asks for a program that every kernel accepts, and
// whose verifier gets through it in budget steps. It reads the observation "load".
func Judge(budget int) func(judge.Observations) (judge.Verdict, error) {
	return func(o judge.Observations) (judge.Verdict, error) {
		load, err := judge.Get[Report](o, "load")
		if err != nil {
			return judge.Verdict{}, err
		}
		v := judge.Verdict{Target: judge.Quantity{Value: float64(budget), Unit: "processed instructions"}}
		if !load.Accepted {
			v.Status, v.Cell = judge.Fail, "NO"
			v.Message = "rejected: " + load.Message
			if load.Source != "" {
				v.Message += " at " + load.Source
			}
			v.Details = load.Log
			return v, nil
		}
		v.Measured = judge.Quantity{Value: float64(load.Stats.Processed), Unit: v.Target.Unit}
		v.Fraction = judge.Between(v.Measured.Value, float64(10*budget), float64(budget))
		v.Status = judge.Graded(v.Fraction)
		if v.Fraction < 1 {
			v.Cell = fmt.Sprint(load.Stats.Processed)
			v.Message = fmt.Sprintf("the verifier had to look at %d instructions; the budget is %d", load.Stats.Processed, budget)
		}
		return v, nil
	}
}

// IfLoaded judges a task of what the program does as it runs. Of one that the verifier
// rejected, nothing more was observed: that is no fault of the grader's.
func IfLoaded(task func(judge.Observations) (judge.Verdict, error)) func(judge.Observations) (judge.Verdict, error) {
	return func(o judge.Observations) (judge.Verdict, error) {
		load, err := judge.Get[Report](o, "load")
		if err != nil {
			return judge.Verdict{}, err
		}
		if !load.Accepted {
			return judge.Verdict{Status: judge.Fail, Cell: "-", Message: "the program was not loaded"}, nil
		}
		return task(o)
	}
}
