// SPDX-License-Identifier: Apache-2.0

package figure

import (
	"math"
	"strconv"
)

// axis maps quantities to places on a page. Its ends are round numbers, and some between them are marked.
type axis struct {
	low, high float64
	log       bool
	from, to  float64 // places of low and high
	ticks     []float64
}

// newAxis shows all from low to high, from a place to another. It can be drawn even if all values are the same, or
// if there are none and low is above high.
func newAxis(low, high float64, log bool, from, to float64) axis {
	if low > high {
		low, high = 1, 10
	}
	a := axis{log: log, from: from, to: to}
	if log {
		a.decades(max(low, leastLog), max(high, leastLog))
		return a
	}
	if far := max(math.Abs(low), math.Abs(high)); high-low <= max(far, 1)*leastLog {
		low, high = low-max(far/2, 1), high+max(far/2, 1)
	}
	step := round((high - low) / 4)
	low = math.Floor(low/step) * step
	for n := 0.0; n == 0 || a.high < high; n++ {
		a.high = low + n*step
		a.ticks = append(a.ticks, a.high)
	}
	a.low = low
	return a
}

// decades marks powers of ten or, where there are not two of them, 1, 2 and 5 times these.
func (a *axis) decades(low, high float64) {
	if low == high {
		low, high = low/2, high*2
	}
	a.low, a.high = 1/round(1/low), round(high)
	first, last := math.Ceil(math.Log10(a.low)-0.01), math.Floor(math.Log10(a.high)+0.01)
	if first < last {
		for power := first; power <= last; power += math.Ceil((last - first) / 4) {
			a.ticks = append(a.ticks, math.Pow(10, power))
		}
		return
	}
	for tick := a.low; tick < a.high*1.01; tick = round(tick * 1.01) {
		a.ticks = append(a.ticks, tick)
	}
}

// at is the place of a value.
func (a axis) at(v float64) float64 {
	part := (v - a.low) / (a.high - a.low)
	if a.log {
		part = math.Log(v/a.low) / math.Log(a.high/a.low)
	}
	return a.from + part*(a.to-a.from)
}

// round is the least number of 1, 2 and 5 times powers of ten that is not below x, which is above 0.
func round(x float64) float64 {
	power := math.Floor(math.Log10(x))
	for _, digit := range []float64{1, 2, 5} {
		if n := digit * math.Pow(10, power); n >= x*0.999999 {
			return n
		}
	}
	return math.Pow(10, power+1)
}

// number writes a quantity as people do, with so many digits at most: 0.5, 250, 10k, 1.24M.
func number(v float64, digits int) string {
	unit := ""
	for _, u := range []string{"k", "M", "G", "T", "P"} {
		if math.Abs(v) < 1000-math.Pow(10, float64(3-digits))/2 {
			break
		}
		v, unit = v/1000, u
	}
	return strconv.FormatFloat(v, 'g', digits, 64) + unit
}
