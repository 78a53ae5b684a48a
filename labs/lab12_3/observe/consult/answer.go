// SPDX-License-Identifier: Apache-2.0

// Package consult runs a student's controller and asks it for rates. It is the other end of package
// controller.
package consult

import (
	"encoding/json"
	"fmt"

	"bpflab/labs/lab12_3/controller"
)

// maxRate bounds how many bytes of an answer a rate takes: as JSON, in all its digits, it takes 20. An
// agent that collects no garbage has no memory for longer ones.
const maxRate = 64

// readAnswer reads a line that answers n intervals.
func readAnswer(line []byte, n int) ([]float64, error) {
	if len(line) > maxRate*(n+1) {
		return nil, fmt.Errorf("it answered with %d bytes where %d rates were asked for; %d bytes are enough for a rate", len(line), n, maxRate)
	}
	var rates []float64
	if err := json.Unmarshal(line, &rates); err != nil || len(rates) != n {
		return nil, fmt.Errorf("expected a line with %d rates, found %.60q", n, line)
	}
	for _, r := range rates {
		if !(r >= controller.MinRate && r <= controller.MaxRate) {
			return nil, fmt.Errorf("it answered with a rate of %v; a rate is %v to %v", r, controller.MinRate, controller.MaxRate)
		}
	}
	return rates, nil
}
