// SPDX-License-Identifier: Apache-2.0

package figure

import (
	"math"

	"gonum.org/v1/plot"
)

// What is drawn may come from a receipt that anybody wrote: any numbers, and any number of them.
const (
	farthest  = 1e15 // drawn no further out, where a float64 still has all integers
	leastLog  = 1e-9 // drawn no lower on a logarithmic scale
	mostDrawn = 5000 // points of a line, panels, bars
)

// at is a number to draw, and whether there is one: not NaN, not infinite, not missing.
func at(values []float64, i int) (float64, bool) {
	if i >= len(values) || math.IsNaN(values[i]) || math.IsInf(values[i], 0) {
		return 0, false
	}
	return min(max(values[i], -farthest), farthest), true
}

// span sets an axis so that it can be drawn, also where all values are one, or none there is.
func span(a *plot.Axis, low, high float64, log bool) {
	switch {
	case low > high:
		low, high = 0, 1
		if log {
			low = leastLog
		}
	case low == high && log:
		low, high = max(low/2, leastLog), high*2
	case low == high:
		low, high = low-1, high+1
	}
	a.Min, a.Max = low, high
}
