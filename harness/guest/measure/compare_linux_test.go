// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCompare(t *testing.T) {
	specs := [4]*ebpf.CollectionSpec{{}, {}, {}, {}}
	load := func(r Role) func() (*ebpf.CollectionSpec, error) {
		return func() (*ebpf.CollectionSpec, error) { return specs[r], nil }
	}
	a := Anchors{load(Empty), load(Naive), load(Reference)}
	// What each attempt comes to, in order.
	script := map[Role][]Attempt[string]{
		Empty:     {{1, true, 0, "warms up"}, {9, true, 0, "empty"}},
		Naive:     {{5, false, 0, "first"}, {3, false, 0, "cheapest"}, {4, false, 0, "third"}},
		Reference: {{5, false, 0, "not calm"}, {7, true, 0, "calm, and more expensive"}},
		Yours:     {{5, true, 1, "1"}, {4, true, 1, "2"}, {3, true, 1, "3"}, {2, true, 1, "4"}, {1, true, 1, "5"}},
	}
	var order []Role
	run := func(r Role, spec *ebpf.CollectionSpec) (Attempt[string], error) {
		assert.Same(t, specs[r], spec)
		require.NotEmpty(t, script[r], "one attempt more than expected of program %d", r)
		one := script[r][0]
		script[r] = script[r][1:]
		order = append(order, r)
		return one, nil
	}
	best, err := Compare(a, specs[Yours], run)
	require.NoError(t, err)
	assert.Equal(t, [4]string{"empty", "cheapest", "not calm", "5"}, best)
	assert.Equal(t, []Role{Empty, Empty, Naive, Naive, Naive, Reference, Reference, Yours, Yours, Yours, Yours, Yours}, order)

	failed := errors.New("failed")
	for n := range 5 {
		_, err := Compare(a, specs[Yours], func(Role, *ebpf.CollectionSpec) (one Attempt[string], err error) {
			if n--; n < 0 {
				err = failed
			}
			return Attempt[string]{Calm: true}, err
		})
		assert.ErrorIs(t, err, failed)
	}
	a.Reference = func() (*ebpf.CollectionSpec, error) { return nil, failed }
	_, err = Compare(a, specs[Yours], run)
	assert.ErrorIs(t, err, failed)
}
