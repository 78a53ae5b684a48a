// SPDX-License-Identifier: Apache-2.0

package job

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSeed(t *testing.T) {
	s := Seed(1)
	assert.Equal(t, uint64(0xe6d2eea3b2e24aa4), s.Part("scenes"), "a receipt is judged again by making the same parts from its seed")
	assert.NotEqual(t, s.Part("a"), s.Part("b"))
	assert.NotEqual(t, s.Part("a"), Seed(2).Part("a"))
	o := Observations{}
	_, err := GetSeed(o)
	assert.Error(t, err)
	require.NoError(t, o.SetSeed(1<<64-1))
	got, err := GetSeed(o)
	require.NoError(t, err)
	assert.Equal(t, Seed(1<<64-1), got, "all 64 bits")
}

func TestObservations(t *testing.T) {
	o := Observations{}
	require.NoError(t, o.Set("cost", quantity{1.5, "ns"}))
	got, err := Get[quantity](o, "cost")
	require.NoError(t, err)
	assert.Equal(t, quantity{1.5, "ns"}, got)

	_, err = Get[quantity](o, "load")
	assert.ErrorContains(t, err, `"load"`, "nothing was observed of it")
	_, err = Get[int](o, "cost")
	assert.ErrorContains(t, err, `"cost"`, "of another type")
	_, err = Get[quantity](nil, "cost")
	assert.Error(t, err)

	assert.ErrorContains(t, o.Set("nan", math.NaN()), `"nan"`, "JSON has no such number")
	assert.NotContains(t, o, "nan")
}

type quantity struct {
	Value float64
	Unit  string
}
