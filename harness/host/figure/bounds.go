// SPDX-License-Identifier: Apache-2.0

package figure

import "math"

// What is drawn may come from a receipt that anybody wrote: any numbers, and any number of them.
const (
	farthest  = 1e15 // drawn no further out, where a float64 still has all integers
	leastLog  = 1e-9 // drawn no lower on a logarithmic scale
	mostDrawn = 5000 // points of a line, panels, kernels, series
)

// at is a number to draw, and whether there is one: not NaN, not infinite, not missing.
func at(values []float64, i int) (float64, bool) {
	if i >= len(values) || math.IsNaN(values[i]) || math.IsInf(values[i], 0) {
		return 0, false
	}
	return min(max(values[i], -farthest), farthest), true
}

func first[T any](list []T) []T { return list[:min(len(list), mostDrawn)] }
