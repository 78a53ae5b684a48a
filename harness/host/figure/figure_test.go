// SPDX-License-Identifier: Apache-2.0

package figure

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
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
		{bars, `Cost, instructions
  5.10 █████████                                 185  starter 750  reference 50
   6.1 ███                                        60  starter 836  reference 50
`},
		{lines, `Adaptation
  events a second        ▁▅█▁ 10k to 1M
  overhead, %            ▃▃█▁ 0 to 8
`},
		{Bars{Title: "nothing"}, ""},
	} {
		var b strings.Builder
		tt.figure.Text(&b, 80)
		assert.Equal(t, tt.want, b.String())
		for line := range strings.Lines(b.String()) {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), 81)
		}
	}
}

// A terminal may be narrow.
func TestTextFits(t *testing.T) {
	wide := lines
	wide.Panels = slices.Clone(lines.Panels)
	for i := range 500 {
		wide.Panels[0].Values = append(wide.Panels[0].Values, float64(i+1))
	}
	wide.Title = "How the sampler's overhead follows the load that it finds"
	titled := bars
	titled.Title = "Cost of an event over the empty program"
	for _, width := range []int{50, 80, 120} {
		for _, f := range []Figure{titled, wide} {
			var b strings.Builder
			f.Text(&b, width)
			for line := range strings.Lines(b.String()) {
				assert.LessOrEqual(t, utf8.RuneCountInString(line)-1, width, line)
			}
		}
	}
	var b strings.Builder
	bars.Text(&b, 50)
	assert.Contains(t, b.String(), "██", "there is room for a bar")
}

// An SVG is XML that holds what it should say, and the same each time.
func TestSVG(t *testing.T) {
	for _, tt := range []struct {
		figure Figure
		want   []string
	}{
		{bars, []string{"5.10", "6.1", "185", "836", "starter", "instructions", "Cost"}},
		{lines, []string{"Adaptation", "events a second", "overhead, %", ">3 s<", ">1M<", "band: 1.5 to 2.5"}},
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

// Axes are marked as people would, all that is to be drawn lies on them, and no two marks say the same.
func TestAxis(t *testing.T) {
	for _, tt := range []struct {
		low, high float64
		log       bool
		want      string
	}{
		{0, 836, false, "0 500 1k"},
		{0, 704, false, "0 200 400 600 800"},
		{0, 32.3, false, "0 10 20 30 40"},
		{0, 1.03, false, "0 0.5 1 1.5"},
		{0, 0.3, false, "0 0.1 0.2 0.3"},
		{-99, 900, false, "-500 0 500 1k"},
		{0, 2.4e6, false, "0 1M 2M 3M"},
		{7, 7, false, "2 4 6 8 10 12"},
		{0, 0, false, "-1 -0.5 0 0.5 1"},
		{0, 5e-324, false, "-1 -0.5 0 0.5 1"},
		{math.Inf(1), math.Inf(-1), false, "0 5 10"},
		{-farthest, farthest, false, "-1P -500T 0 500T 1P"},
		{9380, 969_000, true, "10k 100k 1M"},
		{1, 100, true, "1 10 100"},
		{50, 50, true, "20 50 100"},
		{30, 70, true, "20 50 100"},
		{leastLog, farthest, true, "1e-09 0.001 1k 1G 1P"},
		{math.Inf(1), math.Inf(-1), true, "1 10"},
	} {
		a := newAxis(tt.low, tt.high, tt.log, 0, 100)
		var marks []string
		for _, tick := range a.ticks {
			marks = append(marks, number(tick, 6))
		}
		assert.Equal(t, tt.want, strings.Join(marks, " "), "%v to %v", tt.low, tt.high)
		if tt.low <= tt.high {
			assert.LessOrEqual(t, a.low, max(tt.low, a.low*(1+1e-6)))
			assert.InDelta(t, 50, a.at(tt.low), 50+1e-6, "%v to %v: its least value", tt.low, tt.high)
			assert.InDelta(t, 50, a.at(tt.high), 50+1e-6, "%v to %v: its greatest value", tt.low, tt.high)
		}
		for _, tick := range a.ticks {
			assert.InDelta(t, 50, a.at(tick), 50+1e-6, "%v to %v: the mark %v", tt.low, tt.high, tick)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		v      float64
		digits int
		want   string
	}{
		{0, 3, "0"}, {0.5, 3, "0.5"}, {250, 3, "250"}, {999.4, 3, "999"}, {999.9, 3, "1k"}, {999.9, 6, "999.9"},
		{10_000, 3, "10k"}, {1_000_000, 6, "1M"}, {1_240_000, 3, "1.24M"}, {-1_240_000, 3, "-1.24M"}, {1e15, 3, "1P"},
	} {
		assert.Equal(t, tt.want, number(tt.v, tt.digits), "%v", tt.v)
	}
}

// Names come from receipts. They are text, never markup, and leave room for what they name.
func TestNames(t *testing.T) {
	const evil = `</text><script>alert(1)</script>"'&`
	for _, f := range []Figure{
		Bars{Title: evil, Unit: evil, Kernels: []string{evil, "\x1b]0;x\a\u202e", strings.Repeat("m", 64)}, Series: []Series{{evil, []float64{1, 2, 3}}}},
		Lines{Title: evil, TimeUnit: evil, Time: []float64{0, 1}, Panels: []Panel{{Label: evil, Values: []float64{1, 2}}}},
	} {
		var b bytes.Buffer
		require.NoError(t, f.SVG(&b))
		assert.NotContains(t, b.String(), "<script", "markup")
		assert.NotContains(t, b.String(), "\x1b")
		assert.NotContains(t, b.String(), "\u202e")
		assert.NotContains(t, b.String(), `="">`, "an attribute that ends early")
		assert.NotContains(t, b.String(), strings.Repeat("m", 15)+"<")
		d := xml.NewDecoder(&b)
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if e, ok := token.(xml.StartElement); ok {
				assert.Contains(t, []string{"svg", "rect", "text", "path"}, e.Name.Local)
			}
		}
	}
}

func TestCosts(t *testing.T) {
	cost := func(o job.Observations) (judge.Cost, error) { return job.Get[judge.Cost](o, "cost") }
	o := job.Observations{}
	require.NoError(t, o.Set("cost", judge.Cost{Empty: 100, Naive: 900, Reference: 150, Yours: 300}))
	cases := []judge.Case{
		{Kernel: "5.10", Observations: o}, {Kernel: "6.1", Observations: job.Observations{}},
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

// Figures of receipts that anybody wrote: any numbers are drawn as far as they can be, or left out.
func TestAnyNumbers(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, f := range map[string]Figure{
		"below the empty program": Bars{Kernels: []string{"6.12"}, Series: []Series{{"yours", []float64{-99}}, {"starter", []float64{900}}}},
		"all below":               Bars{Kernels: []string{"6.12"}, Series: []Series{{"yours", []float64{-99}}}},
		"no bars":                 Bars{Kernels: []string{"6.12"}},
		"no kernels":              Bars{Series: []Series{{"yours", []float64{1}}}},
		"nothing":                 Bars{},
		"bars missing":            Bars{Kernels: []string{"6.1", "6.12"}, Series: []Series{{"yours", []float64{1}}, {"starter", nil}}},
		"more bars than kernels":  Bars{Kernels: []string{"6.1"}, Series: []Series{{"yours", []float64{1, 2, 3}}}},
		"bars not numbers":        Bars{Kernels: []string{"a", "b", "c"}, Series: []Series{{"yours", []float64{nan, inf, -inf}}}},
		"bars far out":            Bars{Kernels: []string{"a", "b"}, Series: []Series{{"yours", []float64{math.MaxFloat64, -math.MaxFloat64}}}},
		"no panels":               Lines{},
		"no values":               Lines{Panels: []Panel{{Label: "x", Log: true, High: 1}, {Label: "y"}}},
		"no time":                 Lines{Panels: []Panel{{Values: []float64{1, 2}, Low: 1, High: 2}}},
		"log of zero":             Lines{Time: []float64{0, 1}, Panels: []Panel{{Values: []float64{0, -1}, Log: true, Low: -1, High: 1}}},
		"log of one":              Lines{Time: []float64{0, 0}, Panels: []Panel{{Values: []float64{7, 7}, Log: true}}},
		"log of little":           Lines{Time: []float64{0, 1}, Panels: []Panel{{Values: []float64{5e-324, math.MaxFloat64}, Log: true}}},
		"lines not numbers":       Lines{Time: []float64{nan, 1, 2}, Panels: []Panel{{Values: []float64{1, nan, inf}, Low: nan, High: inf}}},
		"lines far out":           Lines{Time: []float64{-math.MaxFloat64, math.MaxFloat64}, Panels: []Panel{{Values: []float64{-math.MaxFloat64, math.MaxFloat64}}}},
	} {
		t.Run(name, func(t *testing.T) { drawn(t, f) })
	}
	var b strings.Builder
	Bars{Title: "Cost", Unit: "i", Kernels: []string{"6.1", "6.12"}, Series: []Series{{"yours", []float64{-99}}, {"starter", []float64{900, nan}}}}.Text(&b, 80)
	assert.Equal(t, "Cost, i\n   6.1 "+strings.Repeat(" ", barWidth)+"  -99  starter 900\n  6.12 "+strings.Repeat(" ", barWidth)+"    ?  starter ?\n", b.String())
}

// drawn draws a figure both ways and returns when both are well-formed.
func drawn(t *testing.T, f Figure) {
	t.Helper()
	var text strings.Builder
	f.Text(&text, 80)
	for line := range strings.Lines(text.String()) {
		assert.Less(t, utf8.RuneCountInString(line), 400)
	}
	var b bytes.Buffer
	require.NoError(t, f.SVG(&b))
	for _, word := range []string{"NaN", "Inf"} {
		assert.NotContains(t, b.String(), word)
	}
	d := xml.NewDecoder(&b)
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else {
			require.NoError(t, err)
		}
	}
}

func FuzzFigures(f *testing.F) {
	raw := func(values ...float64) (out []byte) {
		for _, v := range values {
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
		}
		return out
	}
	f.Add(raw(-99, 900, 50), raw(0, 1, 2), 0.0, 1.0, uint8(2), true)
	f.Add(raw(math.NaN(), math.Inf(1)), raw(), -1.0, math.MaxFloat64, uint8(0), false)
	f.Fuzz(func(t *testing.T, a, b []byte, low, high float64, kernels uint8, log bool) {
		numbers := func(raw []byte) (out []float64) {
			for ; len(raw) >= 8 && len(out) < 40; raw = raw[8:] {
				out = append(out, math.Float64frombits(binary.LittleEndian.Uint64(raw)))
			}
			return out
		}
		drawn(t, Bars{
			Title: "t", Unit: "u", Kernels: slices.Repeat([]string{"6.12"}, int(kernels%8)),
			Series: []Series{{"yours", numbers(a)}, {"starter", numbers(b)}},
		})
		drawn(t, Lines{Title: "t", Time: numbers(b), Panels: []Panel{
			{Label: "a", Values: numbers(a), Low: low, High: high, Log: log}, {Label: "b", Values: numbers(b), Low: low, High: high},
		}})
	})
}
