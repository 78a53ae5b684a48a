// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
	"bpflab/harness/judge"
	"bpflab/harness/receipt"
)

// observed grades a lab's solution on one kernel and returns the receipt.
func observed(t *testing.T, lab string) *receipt.Receipt {
	t.Helper()
	file := filepath.Join(t.TempDir(), "receipt.json")
	cmd := command(t, "grade", lab, "--from", filepath.Join(clone(t), "solutions", lab), "--cache", sharedCache(t), "--kernels", "6.12", "--receipt", file)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	r, err := receipt.ReadFile(file)
	require.NoError(t, err)
	return r
}

// Reading an event where it lies takes a third of what cilium/ebpf's reader takes, or less.
func TestReadersApart(t *testing.T) {
	o := observed(t, "lab12_2").Kernels[0].Guest[harness.Exact]
	r, err := judge.Get[struct {
		Library float64
		InPlace float64 `json:"in_place"`
	}](o, "readers")
	require.NoError(t, err)
	t.Logf("cilium/ebpf's reader %.1f instructions an event, in place %.1f", r.Library, r.InPlace)
	require.Positive(t, r.InPlace)
	assert.Greater(t, r.Library/r.InPlace, 3.0)
}

// The sampler's overhead, live, is what a simulated one of the same costs would have: within
// half a point.
func TestLiveAsPredicted(t *testing.T) {
	r := observed(t, "lab12_3")
	lab, err := harness.Find(labs, "lab12_3")
	require.NoError(t, err)
	for _, task := range r.Judge(lab.Tasks).Kernels[0].Tasks {
		if task.ID != "live" {
			continue
		}
		require.Len(t, task.Details, 1)
		m := regexp.MustCompile(`within ([\d.]+) points`).FindStringSubmatch(task.Details[0])
		require.NotNil(t, m, task.Details[0])
		points, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		t.Log(task.Details[0])
		assert.Less(t, points, 0.5)
		return
	}
	t.Error("no task is called live")
}
