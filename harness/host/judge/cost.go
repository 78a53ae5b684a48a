// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"math"

	"bpflab/harness/job"
)

// Cost is what one packet, event or call costs with each of four programs, in ns of the guest's time:
// all the work that was done for it, whenever that was, without the kernel's own interruptions.
type Cost struct {
	Empty, Naive, Reference, Yours float64

	// Uneven is how much more the submission takes on average than in a typical run, beyond
	// interruptions and what the starter and the reference do. It is part of Yours.
	Uneven float64
}

// interruption is what the kernel may do once more, or once less, beside one program than beside
// another: a timer tick, a refill of a pool. ns.
const interruption = 20_000

// work is what a run costs: what a typical one takes, and what the others take beyond it. What the
// empty program's runs take beyond a typical one are interruptions, as many as there is time for.
func work(t, empty job.Timing) (work, uneven float64) {
	interrupted := (empty.Mean - empty.Typical) * t.Typical / empty.Typical
	uneven = t.Mean - t.Typical - interrupted - interruption/float64(t.Runs)
	uneven = max(uneven, 0)
	return t.Typical + uneven, uneven
}

// maxTime bounds what a run may take in observations that make sense, ns.
const maxTime = 1e9

// CostOf is what timings say of each program. It fails for timings that make no sense: then the
// measurement has failed, not the submission. runs is how many there are of each program; 0 is any
// number.
func CostOf(t job.Timings, runs int) (c Cost, err error) {
	usual := 0.0 // calls may be of several kinds, some of which take longer with any program
	for _, one := range []struct {
		name   string
		timing job.Timing
		cost   *float64
	}{{"empty program", t.Empty, &c.Empty}, {"starter", t.Naive, &c.Naive}, {"reference", t.Reference, &c.Reference}, {"submission", t.Yours, &c.Yours}} {
		sound := func(x float64) bool { return x > 0 && x < maxTime } // NaN is neither
		if !sound(one.timing.Typical) || !sound(one.timing.Mean) || one.timing.Runs <= 0 || runs != 0 && one.timing.Runs != runs {
			return c, fmt.Errorf("times make no sense: %d runs of the %s took %v ns typically and %v ns on average", one.timing.Runs, one.name, one.timing.Typical, one.timing.Mean)
		}
		var uneven float64
		*one.cost, uneven = work(one.timing, t.Empty)
		if one.cost == &c.Yours {
			c.Uneven = max(uneven-usual, 0)
		}
		usual = max(usual, uneven)
	}
	if c.Reference < c.Empty || c.Naive <= c.Reference {
		return c, fmt.Errorf("costs make no sense: %.1f ns with the empty program, %.1f with the reference, %.1f with the starter", c.Empty, c.Reference, c.Naive)
	}
	return c, nil
}

// TooSlow says that a submission takes so much longer than the starter that two CPUs hardly ever meet
// where a program could miscount. It is empty for any other.
func (c Cost) TooSlow() string {
	if c.Yours-c.Empty <= 5*(c.Naive-c.Empty) {
		return ""
	}
	return fmt.Sprintf("at %.0f instructions over an empty program it is too slow for the race to be conclusive: two CPUs hardly ever meet where they could miscount; make it faster", c.Yours-c.Empty)
}

// Best is the cost that earns all points: that of the reference, and slack, a part of the way
// from there to the starter, for what compilers differ by.
func (c Cost) Best(slack float64) float64 { return c.Reference + slack*(c.Naive-c.Reference) }

// Worst is the cost from which on there are no points: as much below the starter's as Best is above the
// reference's, so that a starter earns nothing on any machine.
func (c Cost) Worst(slack float64) float64 { return c.Naive - slack*(c.Naive-c.Reference) }

// A program that puts work off does it later, in fewer and longer runs. maxUneven is how much of the
// starter's cost the average may be above a typical run.
const maxUneven = 0.25

// A program that does what the reference does for less than doubtful of its cost, and less by
// doubtfulLeast ns, is too good to be believed at once.
const (
	doubtful      = 0.6
	doubtfulLeast = 8
)

// Fraction is what part of the points a cost is worth, by the way from the starter to the reference.
func (c Cost) Fraction(slack float64) float64 { return Between(c.Yours, c.Worst(slack), c.Best(slack)) }

// FractionByRatio is what part of the points a cost is worth if each halving of it, over the empty program, is
// worth the same: each of several techniques then is worth something, whatever came before it.
func (c Cost) FractionByRatio(slack float64) float64 {
	log := func(cost float64) float64 { return math.Log(max(cost-c.Empty, 1)) }
	return Between(log(c.Yours), log(c.Worst(slack)), log(c.Best(slack)))
}

// Suspect makes a verdict on this cost a failure if typical and average run part, and a question if it
// is far below the reference's. unit is that of the verdict's message, such as "instructions a call".
func (c Cost) Suspect(v Verdict, unit string) Verdict {
	switch saved := c.Reference - c.Yours; {
	case c.Uneven > maxUneven*(c.Naive-c.Empty):
		v.Status, v.Fraction, v.Cell = Fail, 0, "UNEVEN"
		v.Message = fmt.Sprintf("a typical run takes %.0f %s over the empty program, the average is %.0f more: work is put off into some of the runs",
			c.Yours-c.Uneven-c.Empty, unit, c.Uneven)
	case saved > doubtfulLeast && c.Yours-c.Empty < doubtful*(c.Reference-c.Empty):
		v.Doubt = fmt.Sprintf("%.0f %s over the empty program, where the reference takes %.0f", c.Yours-c.Empty, unit, c.Reference-c.Empty)
	}
	return v
}

// Scored is a verdict on a cost by the way from the starter to the reference, in a unit such
// as "instructions a call".
func Scored(c Cost, slack float64, unit string) Verdict {
	tenths := func(x float64) float64 { return math.Round(10*x) / 10 }
	v := Verdict{
		Measured: Quantity{tenths(c.Yours - c.Empty), unit}, Target: Quantity{tenths(c.Best(slack) - c.Empty), unit},
		Fraction: c.Fraction(slack),
		Cell:     fmt.Sprintf("%.0f", c.Yours-c.Empty),
		Message: fmt.Sprintf("%.0f instructions over the empty program; the starter needs %.0f, the reference %.0f",
			c.Yours-c.Empty, c.Naive-c.Empty, c.Reference-c.Empty),
	}
	v.Status = Graded(v.Fraction)
	return c.Suspect(v, unit)
}

// Slowest returns the cost, as get finds it, on the kernel on which the starter costs most, and what was
// observed there. Kernels without a cost are left out; without any, all is zero.
func Slowest(cases []Case, get func(job.Observations) (Cost, error)) (most Cost, at Case) {
	for _, c := range cases {
		cost, err := get(c.Observations)
		if err == nil && c.Err == nil && cost.Naive-cost.Empty > most.Naive-most.Empty {
			most, at = cost, c
		}
	}
	return most, at
}
