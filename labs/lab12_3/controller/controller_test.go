// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// memory answers with how often it was asked, and keeps what it was told.
type memory struct{ seen []Interval }

func (m *memory) Next(i Interval) float64 {
	m.seen = append(m.seen, i)
	return float64(len(m.seen)) / 10
}

func TestRun(t *testing.T) {
	var all []*memory
	var out bytes.Buffer
	in := strings.NewReader("[[100000000,1000,500,1200000],[5,6,7,8]]\n[[1,2,3,4],[0,0,0,0]]\n")
	err := run(func() Controller { all = append(all, &memory{}); return all[len(all)-1] }, in, &out)
	require.NoError(t, err, "an end of the questions is no error")
	assert.Equal(t, "[0.1,0.1]\n[0.2,0.2]\n", out.String())
	require.Len(t, all, 2, "one for each sampler")
	assert.Equal(t, []Interval{
		{Length: 100 * time.Millisecond, Events: 1000, Sampled: 500, Busy: 1200 * time.Microsecond}, {Length: 1, Events: 2, Sampled: 3, Busy: 4},
	}, all[0].seen)
	assert.Equal(t, []Interval{{5, 6, 7, 8}, {}}, all[1].seen)
}

type constant float64

func (c constant) Next(Interval) float64 { return float64(c) }

func TestRunErrors(t *testing.T) {
	one := func(rate float64) func() Controller { return func() Controller { return constant(rate) } }
	for name, tt := range map[string]struct {
		rate    float64
		in      string
		message string
	}{
		"no number":      {math.NaN(), "[[1,2,3,4]]\n", "NaN"},
		"no end":         {math.Inf(1), "[[1,2,3,4]]\n", "Inf"},
		"not a question": {0.5, "what?\n", "expected a line of intervals"},
	} {
		assert.ErrorContains(t, run(one(tt.rate), strings.NewReader(tt.in), io.Discard), tt.message, name)
	}
	assert.NoError(t, run(one(0.5), strings.NewReader("[[1,2,3,4]]"), io.Discard), "a line that does not end is not answered")
	closed := errors.New("closed")
	assert.ErrorIs(t, run(one(0.5), strings.NewReader("[[1,2,3,4]]\n"), failing{closed}), closed)
	assert.ErrorIs(t, run(one(0.5), io.MultiReader(strings.NewReader("["), failing{closed}), io.Discard), closed)
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }
func (f failing) Read([]byte) (int, error)  { return 0, f.error }
