// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"io"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
	"bpflab/harness/job"
	"bpflab/runner"
)

// spiedFields are the words of a record of testdata/spy, by lab.
var spiedFields = map[string][]string{
	"lab12_1": {"verdict", "interface", "queue", "length", "EtherType", "IHL", "protocol"},
	"lab12_2": {"number", "first argument", "uid", "comm, first half", "comm, second half", "target_syscall", "threshold"},
	"lab12_3": {"number", "class", "rate", "target_syscall"},
}

// No field that a program can see of its inputs tells a scene that is timed from all those that are only
// checked: programs that record what they see are played, and the values of each field compared.
func TestScenesCannotBeToldApart(t *testing.T) {
	for _, lab := range labs {
		names := matrix()
		if len(names) == 2 && lab.Name != "lab12_1" { // only frames look different on an old kernel
			names = names[1:]
		}
		for _, k := range names {
			t.Run(lab.Name+"/"+k, func(t *testing.T) {
				t.Parallel()
				timed, checked := map[string][][]byte{}, map[string][][]byte{}
				for _, s := range spy(t, lab, k) {
					records := slices.DeleteFunc(s.Records, func(r []byte) bool { return r[0] == 0 })
					require.NotEmpty(t, records, "what was seen in the scene %q on Linux %s", s.Scene, k)
					if s.Timed {
						timed[s.Scene] = append(timed[s.Scene], records...)
					} else {
						checked[s.Scene] = append(checked[s.Scene], records...)
					}
				}
				require.NotEmpty(t, timed)
				require.NotEmpty(t, checked)
				for scene, records := range timed {
					for i, field := range spiedFields[lab.Name] {
						apart := 1.0
						for _, other := range checked {
							apart = min(apart, distance(column(records, i+1), column(other, i+1)))
						}
						if lab.Name == "lab12_1" && field == "interface" && k == "5.10" {
							// A test run cannot name an interface there. What is timed is on the wire, and
							// is checked there too.
							continue
						}
						t.Logf("Linux %s: scene %q, field %q: %.2f", k, scene, field, apart)
						assert.Less(t, apart, 0.95, "Linux %s: %s tells the scene %q from those that are not timed", k, field, scene)
					}
				}
			})
		}
	}
	// The measure itself.
	assert.Equal(t, 1.0, distance([]uint64{7, 7}, []uint64{1, 2, 3, 9}), "a value that is nowhere else")
	assert.Equal(t, 1.0, distance([]uint64{1, 2}, []uint64{8, 9}), "two ranges")
	assert.InDelta(t, 0.0, distance([]uint64{1, 2}, []uint64{2, 1, 1, 2}), 1e-9)
	assert.InDelta(t, 0.75, distance([]uint64{1}, []uint64{1, 2, 3, 4}), 1e-9)
}

// spy has a lab observe the program of testdata/spy in guests of each kind.
func spy(t testing.TB, lab *harness.Lab, kernel string) (all []job.Spied) {
	t.Helper()
	h := hostOn(sharedCache(t), io.Discard)
	source, err := runner.FindSubmission(lab, filepath.Join("testdata/spy", lab.Name))
	require.NoError(t, err)
	g, err := h.Prepare(t.Context(), lab, source, []string{kernel})
	require.NoError(t, err)
	require.Nil(t, g.Receipt.Refused, "%+v", g.Receipt.Refused)
	g.Job.Spy = true
	require.NoError(t, g.Observe(t.Context(), lab.Guests, false))
	on := g.Receipt.Kernels[0]
	require.Empty(t, on.Error)
	require.Nil(t, on.Fate)
	for _, kind := range lab.Guests {
		seen, err := job.GetSpied(on.Guest[kind])
		require.NoError(t, err)
		all = append(all, seen...)
	}
	return all
}

func column(records [][]byte, word int) (values []uint64) {
	for _, r := range records {
		values = append(values, binary.LittleEndian.Uint64(r[8*word:]))
	}
	return values
}

// distance is how well a value tells two lists apart, 0 to 1: by a threshold, or by being one that the
// other list hardly has. Of values that are all different, as names are, only a threshold tells.
func distance(a, b []uint64) float64 {
	share := func(list []uint64, ok func(uint64) bool) float64 {
		n := 0
		for _, v := range list {
			if ok(v) {
				n++
			}
		}
		return float64(n) / float64(len(list))
	}
	values := slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
	few := len(values) <= 64
	if !few { // a hundred thresholds are enough
		step := len(values)/100 + 1
		thinned := values[:0:0]
		for i := 0; i < len(values); i += step {
			thinned = append(thinned, values[i])
		}
		values = thinned
	}
	most := 0.0
	for _, v := range values {
		below := func(x uint64) bool { return x <= v }
		most = max(most, math.Abs(share(a, below)-share(b, below)))
		if few {
			is := func(x uint64) bool { return x == v }
			most = max(most, math.Abs(share(a, is)-share(b, is)))
		}
	}
	return most
}
