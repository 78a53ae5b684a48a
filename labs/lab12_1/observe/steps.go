// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"cmp"
	"slices"
	"strings"

	"bpflab/harness/job"
	"bpflab/harness/traffic"
)

// Step is what became of one frame of a job of steps.
type Step struct {
	Returned uint32      `json:"returned"`
	Counted  []Count     `json:"counted"` // by how much each count has changed
	Printed  job.Printed `json:"printed"`
}

// StepVerdict is what the program is told to return for a job's steps: XDP_TX, which no program returns by itself.
const StepVerdict = XDPTX

// StepFrames are the frames of a job of n steps: one of each kind, those that count first, and then others. If n is 0,
// they are the former.
func StepFrames(seed uint64, n int) []traffic.Frame {
	var first, rest []traffic.Frame
	seen := map[string]bool{}
	for _, f := range traffic.Mix(seed, traffic.Batch+job.MaxSteps) {
		if seen[f.Kind] {
			rest = append(rest, f)
			continue
		}
		seen[f.Kind] = true
		first = append(first, f)
	}
	slices.SortFunc(first, func(a, b traffic.Frame) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Kind, b.Kind))
	})
	if n == 0 {
		n = len(first)
	}
	all := append(first, rest...)
	return all[:min(n, len(all))]
}

// rank is 0 for what a socket gets, 1 for what else counts, and 2 for what does not.
func rank(f traffic.Frame) int {
	switch {
	case f.Delivered:
		return 0
	case f.Protocol != traffic.None:
		return 1
	}
	return 2
}
