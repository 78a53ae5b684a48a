// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"math"
)

// Cost is what one packet, event or call takes, in ns of the guest's time, with each of four
// programs in one boot.
type Cost struct {
	Empty     float64 `json:"empty"`
	Naive     float64 `json:"naive"`
	Reference float64 `json:"reference"`
	Yours     float64 `json:"yours"`
}

// Check fails for costs that make no sense: then the measurement has failed, not the
// submission.
func (c Cost) Check() error {
	if c.Empty <= 0 || c.Yours <= 0 || c.Reference < c.Empty || c.Naive <= c.Reference {
		return fmt.Errorf("costs make no sense: %.1f ns with the empty program, %.1f with the reference, %.1f with the starter, %.1f with the submission",
			c.Empty, c.Reference, c.Naive, c.Yours)
	}
	return nil
}

// TooSlow says that a submission takes so much longer than the starter that two CPUs hardly ever meet
// where a program could miscount. It is empty for any other.
func (c Cost) TooSlow() string {
	if c.Yours-c.Empty <= 10*(c.Naive-c.Empty) {
		return ""
	}
	return fmt.Sprintf("at %.0f instructions more than an empty program two CPUs hardly ever meet where they could miscount: make it faster, or nobody can tell whether they do", c.Yours-c.Empty)
}

// Best is the cost that earns all points: that of the reference, and slack, a part of the way
// from there to the starter, for what compilers differ by.
func (c Cost) Best(slack float64) float64 { return c.Reference + slack*(c.Naive-c.Reference) }

// Scored is a verdict on a cost by the way from the starter to the reference, in a unit such
// as "instructions a call".
func Scored(c Cost, slack float64, unit string) Verdict {
	tenths := func(x float64) float64 { return math.Round(10*x) / 10 }
	v := Verdict{
		Measured: Quantity{tenths(c.Yours - c.Empty), unit}, Target: Quantity{tenths(c.Best(slack) - c.Empty), unit},
		Fraction: Between(c.Yours, c.Naive, c.Best(slack)),
		Cell:     fmt.Sprintf("%.0f", c.Yours-c.Empty),
		Message: fmt.Sprintf("%.0f instructions over the empty program; the starter needs %.0f, the reference %.0f",
			c.Yours-c.Empty, c.Naive-c.Empty, c.Reference-c.Empty),
	}
	v.Status = Graded(v.Fraction)
	return v
}
