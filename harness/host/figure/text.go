// SPDX-License-Identifier: Apache-2.0

package figure

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

const (
	barWidth   = 40
	sparkWidth = 60
)

// Text draws a bar for each kernel of the first series, and puts the others' numbers behind it.
func (b Bars) Text(w io.Writer, width int) {
	if len(b.Series) == 0 || len(b.Kernels) == 0 {
		return
	}
	longest, wide := 0.0, 0
	for _, s := range b.Series {
		for i := range s.Values {
			v, _ := at(s.Values, i)
			longest = max(longest, v)
		}
	}
	for _, k := range b.Kernels {
		wide = max(wide, utf8.RuneCountInString(k))
	}
	numbers := make([]string, len(b.Kernels)) // behind the bars
	longestNumbers := 0
	for i := range b.Kernels {
		v, ok := at(b.Series[0].Values, i)
		numbers[i] = fmt.Sprintf("%4s", count(v, ok))
		for _, s := range b.Series[1:] {
			v, ok := at(s.Values, i)
			numbers[i] += fmt.Sprintf("  %s %s", s.Label, count(v, ok))
		}
		longestNumbers = max(longestNumbers, utf8.RuneCountInString(numbers[i]))
	}
	bar := min(max(width-wide-longestNumbers-4, 5), barWidth)
	fmt.Fprintln(w, ansi.Wrap(b.Title+", "+b.Unit, width, ""))
	for i, kernel := range b.Kernels {
		n := 0
		v, _ := at(b.Series[0].Values, i)
		if longest > 0 {
			n = int(math.Round(max(v, 0) / longest * float64(bar)))
		}
		fmt.Fprintf(w, "  %*s %-*s %s\n", wide, kernel, bar, strings.Repeat("█", n), numbers[i])
	}
}

// count prints a whole number, if there is one.
func count(v float64, ok bool) string {
	if !ok {
		return "?"
	}
	return fmt.Sprintf("%.0f", v)
}

var sparks = []rune("▁▂▃▄▅▆▇█")

// Text draws a row of blocks for each panel.
func (l Lines) Text(w io.Writer, width int) {
	fmt.Fprintln(w, ansi.Wrap(l.Title, width, ""))
	for _, p := range l.Panels {
		row, least, most := spark(p, min(max(width-40, 5), sparkWidth))
		fmt.Fprintf(w, "  %-22s %s %s to %s\n", p.Label, row, number(least, 3), number(most, 3))
	}
}

// spark draws values in columns, each the mean of those that fall into it.
func spark(p Panel, columns int) (row string, least, most float64) {
	var values []float64 // that can be drawn
	for i := range p.Values {
		if v, ok := at(p.Values, i); ok {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return "", 0, 0
	}
	columns = min(columns, len(values))
	means := make([]float64, columns)
	for c := range means {
		from, to := c*len(values)/columns, (c+1)*len(values)/columns
		for _, v := range values[from:to] {
			means[c] += v / float64(to-from)
		}
	}
	least, most = math.Inf(1), math.Inf(-1)
	for _, v := range means {
		least, most = min(least, v), max(most, v)
	}
	scale := func(v float64) float64 { return v }
	low := 0.0
	if p.Log && least > 0 {
		scale, low = math.Log, math.Log(least)
	}
	for _, v := range means {
		height := 0.0
		if span := scale(most) - low; span > 0 {
			height = (scale(v) - low) / span
		}
		row += string(sparks[int(math.Round(min(max(height, 0), 1)*float64(len(sparks)-1)))])
	}
	return row, least, most
}
