// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/figure"
	"bpflab/harness/host/judge"
	"bpflab/labs/lab12_3/observe"
)

// A plant that was not held is drawn once, behind what was live on each kernel.
func TestFigures(t *testing.T) {
	drawn := func(s *sound) (names []string, all []figure.Figure) {
		o := judges.Observations(t, s)
		all = figures([]judge.Case{{Kernel: "5.10", Observations: o}, {Kernel: "6.12", Observations: o}})
		for _, f := range all {
			names = append(names, f.Name())
		}
		return names, all
	}
	s := newSound()
	names, _ := drawn(s)
	assert.Equal(t, []string{"lab12_3-5.10", "lab12_3-6.12", "lab12_3-call"}, names)

	parts := good(observe.NewPlant(plantSeed, 7))
	parts[observe.Settled] = observe.MinPart
	s.steer(7, parts)
	names, all := drawn(s)
	require.Equal(t, []string{"lab12_3-5.10", "lab12_3-6.12", "lab12_3-plant", "lab12_3-call"}, names)
	f, p := all[2].(figure.Lines), observe.NewPlant(plantSeed, 7)
	assert.Equal(t, "Adaptation in plant 7, which is not held", f.Title)
	require.Len(t, f.Time, observe.Intervals)
	assert.InDelta(t, float64(observe.Intervals-1)*p.Length.Seconds(), f.Time[observe.Intervals-1], 1e-6)
	for i, want := range []float64{float64(p.Loads[0]), 100 * float64(observe.MinPart) / observe.Whole, float64(p.Overhead(observe.Settled, observe.MinPart)) / 10_000} {
		require.Len(t, f.Panels[i].Values, observe.Intervals)
		assert.InDelta(t, want, f.Panels[i].Values[observe.Settled], 1e-9, f.Panels[i].Label)
	}

	s.Steered.Trouble = "it ended early"
	names, _ = drawn(s)
	assert.NotContains(t, names, "lab12_3-plant")
}
