// SPDX-License-Identifier: Apache-2.0

package figure

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"unicode"

	"bpflab/harness/host/visible"
)

// A figure is narrow, so that it can be read on a phone, and beside another one on paper.
const (
	width    = 440.0 // within the margin
	margin   = 12.0
	textSize = 13.5
	fonts    = "system-ui, -apple-system, 'Segoe UI', Arial, sans-serif"
	middle   = 0.36 * textSize // from the middle of a text down to its line
)

// styles tell series apart, also in grey and for those who see colours differently: full, pale, hollow. What is
// not coloured takes its colour from the page that the figure is part of.
var styles = []string{
	`fill="#3a7fd5"`,
	`fill="currentColor" fill-opacity="0.45"`,
	`fill="#12876a" fill-opacity="0.12" stroke="#12876a" stroke-width="1.5"`,
}

const (
	plain = ""
	bold  = `font-weight="600" font-size="15"`
	pale  = `fill-opacity="0.72"`

	lineStyle = `fill="none" stroke="#3a7fd5" stroke-width="1.75" stroke-linejoin="round"`
	bandStyle = `fill="#12876a" fill-opacity="0.25"`
	gridStyle = `stroke="currentColor" stroke-opacity="0.16"`
	zeroStyle = `stroke="currentColor" stroke-opacity="0.5"`
)

// SVG draws the bars, a group for each kernel, each with its number behind it.
func (b Bars) SVG(w io.Writer) error {
	const height, gap, groupGap = 12.0, 3.0, 13.0
	kernels, series := first(b.Kernels), first(b.Series)
	var d drawing
	d.title(b.Title)
	d.line(b.Unit)
	d.legend(series)

	names, numbers, low, high := 0.0, 0.0, 0.0, 0.0
	for i, kernel := range kernels {
		names = max(names, across(short(kernel)))
		for _, s := range series {
			v, ok := at(s.Values, i)
			low, high = min(low, v), max(high, v)
			numbers = max(numbers, across(amount(v, ok)))
		}
	}
	if low == high {
		high = 1
	}
	x := axis{low: low, high: high, from: names + 10, to: width - numbers - 6}
	zero, top := x.at(0), d.y
	for i, kernel := range kernels {
		d.y += groupGap / 2
		d.text(x.from-10, d.y+(float64(len(series))*(height+gap)-gap)/2+middle, end, plain, short(kernel))
		costs := make([]string, len(series))
		for n, s := range series {
			v, ok := at(s.Values, i)
			left, right := min(zero, x.at(v)), max(zero, x.at(v))
			d.rect(left, d.y, right-left, height, styles[n%len(styles)])
			d.text(right+6, d.y+height/2+middle, start, plain, amount(v, ok))
			d.y += height + gap
			costs[n] = s.Label + " " + amount(v, ok)
		}
		d.y += groupGap/2 - gap
		d.says = append(d.says, kernel+": "+strings.Join(costs, ", "))
	}
	d.path(fmt.Sprintf("M%.1f,%.1fV%.1f", zero, top, d.y), zeroStyle)
	return d.write(w)
}

// legend names the series, side by side where there is room.
func (d *drawing) legend(series []Series) {
	const swatch, gap = 11.0, 6.0
	x := 0.0
	d.y += gap + 2
	for n, s := range series {
		name := short(s.Label)
		if x > 0 && x+swatch+gap+across(name) > width {
			x, d.y = 0, d.y+18
		}
		d.rect(x, d.y, swatch, swatch, styles[n%len(styles)])
		d.text(x+swatch+gap, d.y+swatch/2+middle, start, plain, name)
		x += swatch + gap + across(name) + 2*gap
	}
	d.y += swatch + gap
}

// amount writes a cost, if there is one.
func amount(v float64, ok bool) string {
	if math.Abs(v) < 1e6 {
		return count(v, ok)
	}
	return number(v, 3)
}

// SVG draws the panels, with the band behind the line.
func (l Lines) SVG(w io.Writer) error {
	var d drawing
	d.title(l.Title)
	var panels []plotted
	ticks := 0.0
	from, to := math.Inf(1), math.Inf(-1)
	for _, panel := range first(l.Panels) {
		p := l.plotted(panel)
		panels = append(panels, p)
		for _, tick := range p.y.ticks {
			ticks = max(ticks, across(number(tick, 6)))
		}
		for _, t := range p.times {
			from, to = min(from, t), max(to, t)
		}
	}
	x := newAxis(from, to, false, ticks+8, width-16)
	if from < to {
		x.low, x.high = from, to // time ends where the lines do
	}
	for _, p := range panels {
		d.panel(x, p)
	}
	if len(panels) > 0 {
		d.times(x, l.TimeUnit)
	}
	return d.write(w)
}

// plotted is a panel with what of it can be drawn.
type plotted struct {
	Panel
	band          bool
	times, values []float64
	y             axis
}

const panelHeight = 84.0

func (l Lines) plotted(panel Panel) plotted {
	p := plotted{Panel: panel}
	low, high := 0.0, 0.0
	if p.Log {
		low, high = math.Inf(1), math.Inf(-1)
	}
	for n := range first(p.Values) {
		t, timed := at(l.Time, n)
		v, ok := at(p.Values, n)
		if timed && ok && !(p.Log && v < leastLog) {
			p.times, p.values = append(p.times, t), append(p.values, v)
			low, high = min(low, v), max(high, v)
		}
	}
	below, okLow := at([]float64{p.Low}, 0)
	above, okHigh := at([]float64{p.High}, 0)
	p.Low, p.High = below, above
	if p.band = okLow && okHigh && above > below && !(p.Log && below < leastLog); p.band {
		low, high = min(low, below), max(high, above)
	}
	p.y = newAxis(low, high, p.Log, panelHeight, 0)
	return p
}

func (d *drawing) panel(x axis, p plotted) {
	d.line(p.Label)
	if p.band {
		d.text(x.to, d.y-3, end, pale, "band: "+number(p.Low, 6)+" to "+number(p.High, 6))
	}
	d.y += 13
	for _, tick := range p.y.ticks {
		y := d.y + p.y.at(tick)
		d.path(fmt.Sprintf("M%.1f,%.1fH%.1f", x.from, y, x.to), gridStyle)
		d.text(x.from-8, y+middle, end, plain, number(tick, 6))
	}
	if p.band {
		d.rect(x.from, d.y+p.y.at(p.High), x.to-x.from, p.y.at(p.Low)-p.y.at(p.High), bandStyle)
	}
	var path strings.Builder
	for n, t := range p.times {
		if n == 0 {
			fmt.Fprintf(&path, "M%.1f,%.1f", x.at(t), d.y+p.y.at(p.values[n]))
			continue
		}
		fmt.Fprintf(&path, "H%.1fV%.1f", x.at(t), d.y+p.y.at(p.values[n])) // a value holds until the next
	}
	d.path(path.String(), lineStyle)
	d.y += panelHeight + 16
	if _, least, most := spark(p.Panel, sparkWidth); len(p.values) > 0 {
		d.says = append(d.says, fmt.Sprintf("%s: %s to %s", p.Label, number(least, 3), number(most, 3)))
	}
}

// times marks the axis that all panels share. Its last mark has the unit.
func (d *drawing) times(x axis, unit string) {
	var marked []float64
	for _, tick := range x.ticks {
		if x.low <= tick && tick <= x.high {
			marked = append(marked, tick)
		}
	}
	for i, tick := range marked {
		label := number(tick, 6)
		if i == len(marked)-1 {
			label += " " + unit
		}
		d.text(x.at(tick), d.y+textSize, centre, plain, label)
	}
	d.y += textSize
}

// drawing is an SVG from the top down to y. says is what it shows, for those who do not see it.
type drawing struct {
	body strings.Builder
	y    float64
	says []string
}

// title is what the drawing begins with, in as many lines as it needs.
func (d *drawing) title(text string) {
	const room = 0.95 * width
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && across(line+" "+word) > room {
			d.y += 18
			d.text(0, d.y-4, start, bold, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+cut(word, 0.7*width), " ")
	}
	d.y += 18
	d.text(0, d.y-4, start, bold, line)
	d.says = []string{text}
}

// line is a line of text below what is there.
func (d *drawing) line(text string) {
	d.y += 18
	d.text(0, d.y-3, start, pale, cut(text, width))
}

// An anchor is the point of a text that has a given place.
const (
	start  = "start"
	centre = "middle"
	end    = "end"
)

func (d *drawing) text(x, y float64, anchor, style, text string) {
	if anchor == centre {
		half := across(text) / 2
		x = max(half, min(x, width-half))
	}
	fmt.Fprintf(&d.body, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>%s</text>\n", x, y, anchor, style, escape(text))
}

func (d *drawing) rect(x, y, width, height float64, style string) {
	fmt.Fprintf(&d.body, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" %s/>\n", x, y, width, height, style)
}

func (d *drawing) path(path, style string) {
	fmt.Fprintf(&d.body, "<path d=\"%s\" %s/>\n", path, style)
}

// write writes the drawing on white. A page that it is part of may have another colour of text, and of the paper.
func (d *drawing) write(w io.Writer) error {
	size := fmt.Sprintf(`width="%g" height="%.1f"`, width+2*margin, d.y+2*margin)
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" %s viewBox="%g %g %g %.1f" role="img" aria-label="%s" color="#1b1f24" fill="currentColor" font-family="%s" font-size="%g">
<rect class="paper" x="%g" y="%g" %s fill="#fff"/>
%s</svg>
`, size, -margin, -margin, width+2*margin, d.y+2*margin, escape(strings.Join(d.says, "; ")), fonts, textSize,
		-margin, -margin, size, d.body.String())
	return err
}

func escape(text string) string { return html.EscapeString(visible.Line(text)) }

// across is how wide a text may get: fonts differ, and this is for wide ones.
func across(text string) (wide float64) {
	for _, r := range text {
		if unicode.IsLower(r) && r != 'm' && r != 'w' || strings.ContainsRune("0123456789.,- ", r) {
			wide += 0.66 * textSize
		} else {
			wide += textSize
		}
	}
	return wide
}

// short is a name that leaves room for what it names.
func short(name string) string { return cut(name, width/3) }

// cut leaves out the end of a text that is wider than room.
func cut(text string, room float64) string {
	if across(text) <= room {
		return text
	}
	runes := []rune(text)
	for len(runes) > 0 && across(string(runes)+"…") > room {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}
