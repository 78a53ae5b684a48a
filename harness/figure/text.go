// SPDX-License-Identifier: Apache-2.0

package figure

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

const (
	barWidth   = 40
	sparkWidth = 60
)

// Text draws a bar for each kernel of the first series, and puts the others' numbers behind it.
func (b Bars) Text(w io.Writer) {
	if len(b.Series) == 0 || len(b.Kernels) == 0 {
		return
	}
	most, wide := 0.0, 0
	for _, s := range b.Series {
		for _, v := range s.Values {
			most = max(most, v)
		}
	}
	for _, k := range b.Kernels {
		wide = max(wide, utf8.RuneCountInString(k))
	}
	fmt.Fprintf(w, "%s, %s: %s\n", b.Title, b.Unit, b.Series[0].Label)
	for i, kernel := range b.Kernels {
		n := 0
		if most > 0 {
			n = int(math.Round(b.Series[0].Values[i] / most * barWidth))
		}
		fmt.Fprintf(w, "  %*s %-*s %.0f", wide, kernel, barWidth, strings.Repeat("█", n), b.Series[0].Values[i])
		for _, s := range b.Series[1:] {
			fmt.Fprintf(w, "  %s %.0f", s.Label, s.Values[i])
		}
		fmt.Fprintln(w)
	}
}

var sparks = []rune("▁▂▃▄▅▆▇█")

// Text draws a row of blocks for each panel.
func (l Lines) Text(w io.Writer) {
	fmt.Fprintln(w, l.Title)
	for _, p := range l.Panels {
		row, least, most := spark(p)
		fmt.Fprintf(w, "  %-22s %s %s to %s\n", p.Label, row, number(least), number(most))
	}
}

// spark draws values in sparkWidth columns, each the mean of those that fall into it.
func spark(p Panel) (row string, least, most float64) {
	if len(p.Values) == 0 {
		return "", 0, 0
	}
	columns := min(sparkWidth, len(p.Values))
	means := make([]float64, columns)
	for c := range means {
		from, to := c*len(p.Values)/columns, (c+1)*len(p.Values)/columns
		for _, v := range p.Values[from:to] {
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

func number(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.3g", v)
}
