// SPDX-License-Identifier: Apache-2.0

package figure

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/judge"
)

var bars = Bars{
	File: "lab-cost", Title: "Cost", Unit: "instructions", Kernels: []string{"5.10", "6.1"},
	Series: []Series{{"yours", []float64{185, 60}}, {"starter", []float64{750, 836}}, {"reference", []float64{50, 50}}},
}

var lines = Lines{
	File: "lab-time", Title: "Adaptation", TimeUnit: "s", Time: []float64{0, 1, 2, 3},
	Panels: []Panel{
		{Label: "events a second", Values: []float64{1e4, 1e5, 1e6, 1e4}, Log: true},
		{Label: "overhead, %", Values: []float64{2, 2.5, 8, 0}, Low: 1.5, High: 2.5},
	},
}

func TestText(t *testing.T) {
	for _, tt := range []struct {
		figure Figure
		want   string
	}{
		{bars, `Cost, instructions: yours
  5.10 █████████                                185  starter 750  reference 50
   6.1 ███                                      60  starter 836  reference 50
`},
		{lines, `Adaptation
  events a second        ▁▅█▁ 10k to 1M
  overhead, %            ▃▃█▁ 0 to 8
`},
		{Bars{Title: "nothing"}, ""},
	} {
		var b strings.Builder
		tt.figure.Text(&b)
		assert.Equal(t, tt.want, b.String())
		for line := range strings.Lines(b.String()) {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), 81)
		}
	}
}

// An SVG is XML that holds what it should say, and the same each time.
func TestSVG(t *testing.T) {
	for _, tt := range []struct {
		figure Figure
		want   []string
	}{
		{bars, []string{"5.10", "6.1", "185", "836", "starter", "instructions", "Cost"}},
		{lines, []string{"Adaptation", "events a second", "overhead, %", ">s<"}},
	} {
		var first, second bytes.Buffer
		require.NoError(t, tt.figure.SVG(&first))
		require.NoError(t, tt.figure.SVG(&second))
		assert.Equal(t, first.String(), second.String())
		for _, want := range tt.want {
			assert.Contains(t, first.String(), want, tt.figure.Name())
		}
		d := xml.NewDecoder(&first)
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else {
				require.NoError(t, err, tt.figure.Name())
			}
		}
	}
}

func TestCosts(t *testing.T) {
	cost := func(o judge.Observations) (judge.Cost, error) { return judge.Get[judge.Cost](o, "cost") }
	o := judge.Observations{}
	require.NoError(t, o.Set("cost", judge.Cost{Empty: 100, Naive: 900, Reference: 150, Yours: 300}))
	cases := []judge.Case{
		{Kernel: "5.10", Observations: o}, {Kernel: "6.1", Observations: judge.Observations{}},
		{Kernel: "6.12", Observations: o, Err: errors.New("it hung")},
	}
	all := Costs("file", "title", "unit", cases, cost)
	require.Len(t, all, 1)
	assert.Equal(t, Bars{
		File: "file", Title: "title", Unit: "unit", Kernels: []string{"5.10"},
		Series: []Series{{"yours", []float64{200}}, {"starter", []float64{800}}, {"reference", []float64{50}}},
	}, all[0])
	assert.Empty(t, Costs("file", "title", "unit", cases[1:], cost))
}
