// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
	"bpflab/harness/job"
)

// Reading an event where it lies takes a third of what cilium/ebpf's reader takes, or less.
func TestReadersApart(t *testing.T) {
	for _, k := range firstReceipt(t, "lab12_2", solutionOf(t, "lab12_2")).Kernels {
		r, err := job.Get[struct {
			Library float64
			InPlace float64 `json:"in_place"`
		}](k.Guest[job.Exact], "readers")
		require.NoError(t, err)
		t.Logf("Linux %s: cilium/ebpf's reader %.1f instructions an event, in place %.1f", k.Name, r.Library, r.InPlace)
		require.Positive(t, r.InPlace)
		assert.Greater(t, r.Library/r.InPlace, 3.0)
	}
}

// The sampler's overhead, live, is what a simulated one of the same costs would have: within
// half a point.
func TestLiveAsPredicted(t *testing.T) {
	lab, err := harness.Find(labs, "lab12_3")
	require.NoError(t, err)
	r := firstReceipt(t, lab.Name, solutionOf(t, lab.Name))
	said := 0
	for _, k := range r.Judge(lab.Tasks).Kernels {
		for _, task := range k.Tasks {
			for _, detail := range task.Details {
				m := regexp.MustCompile(`within ([\d.]+) points`).FindStringSubmatch(detail)
				if task.ID != "live" || m == nil {
					continue
				}
				said++
				points, err := strconv.ParseFloat(m[1], 64)
				require.NoError(t, err)
				t.Logf("Linux %s: %s", k.Name, detail)
				assert.Less(t, points, 0.5)
			}
		}
	}
	assert.Len(t, matrix(), said, "each kernel says it")
}
