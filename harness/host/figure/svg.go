// SPDX-License-Identifier: Apache-2.0

package figure

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// colours tell series apart for those who see colours differently, too (Okabe and Ito).
var colours = []color.Color{
	color.RGBA{0x00, 0x72, 0xb2, 0xff}, color.RGBA{0xe6, 0x9f, 0x00, 0xff},
	color.RGBA{0x00, 0x9e, 0x73, 0xff}, color.RGBA{0x99, 0x99, 0x99, 0xff},
}

var bandColour = color.RGBA{0xd9, 0xee, 0xe4, 0xff}

func init() {
	// Browsers have a font of the same widths, whatever they call it.
	plot.DefaultFont.Variant = "Sans"
}

const (
	width       = 18 * vg.Centimeter
	barHeight   = 9 * vg.Centimeter
	panelHeight = 5 * vg.Centimeter
)

// SVG draws the bars, a group for each kernel, each with its number above it.
func (b Bars) SVG(w io.Writer) error {
	kernels, series := b.Kernels[:min(len(b.Kernels), mostDrawn)], b.Series[:min(len(b.Series), mostDrawn)]
	p := plot.New()
	p.Title.Text = b.Title
	p.Y.Label.Text = b.Unit
	p.Legend.Top, p.Legend.Padding = true, vg.Points(3)
	if len(kernels) > 0 {
		p.NominalX(kernels...)
	}
	thickness := vg.Points(14)
	low, high := 0.0, 0.0
	for i, s := range series {
		if len(kernels) == 0 {
			break // without one there is no bar
		}
		values, labels := make(plotter.Values, len(kernels)), plotter.XYLabels{}
		for x := range kernels {
			v, ok := at(s.Values, x)
			values[x] = v
			labels.XYs = append(labels.XYs, plotter.XY{X: float64(x), Y: v})
			labels.Labels = append(labels.Labels, count(v, ok))
			low, high = min(low, 1.1*v), max(high, 1.3*v) // room for the legend
		}
		bars, err := plotter.NewBarChart(values, thickness)
		if err != nil {
			return fmt.Errorf("draw %s: %w", b.File, err)
		}
		bars.Color = colours[i%len(colours)]
		bars.LineStyle.Width = 0
		bars.Offset = thickness * vg.Length(2*i-len(series)+1) / 2
		numbers, err := plotter.NewLabels(labels)
		if err != nil {
			return fmt.Errorf("draw %s: %w", b.File, err)
		}
		numbers.Offset = vg.Point{X: bars.Offset - thickness/2, Y: vg.Points(2)}
		for n := range numbers.TextStyle {
			numbers.TextStyle[n].Font.Size = vg.Points(7)
		}
		p.Add(bars, numbers)
		p.Legend.Add(s.Label, bars)
	}
	p.X.Min, p.X.Max = min(p.X.Min, -0.5), max(p.X.Max, float64(len(kernels))-0.5)
	span(&p.X, p.X.Min, p.X.Max, false)
	span(&p.Y, low, high, false)
	canvas := vgsvg.New(width, barHeight)
	p.Draw(draw.New(canvas))
	_, err := canvas.WriteTo(w)
	return err
}

// SVG draws the panels, with the band behind the line.
func (l Lines) SVG(w io.Writer) error {
	panels := l.Panels[:min(len(l.Panels), mostDrawn)]
	canvas := vgsvg.New(width, panelHeight*vg.Length(max(len(panels), 1)))
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadY: vg.Points(6)}
	var plots [][]*plot.Plot
	for i, panel := range panels {
		p := plot.New()
		if i == 0 {
			p.Title.Text = l.Title
		}
		if i == len(panels)-1 {
			p.X.Label.Text = l.TimeUnit
		}
		p.Y.Label.Text = panel.Label
		if panel.Log {
			p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		}
		if err := l.draw(p, panel); err != nil {
			return fmt.Errorf("draw %s: %w", l.File, err)
		}
		plots = append(plots, []*plot.Plot{p})
	}
	if len(plots) > 0 {
		for i, row := range plot.Align(plots, tiles, draw.New(canvas)) {
			plots[i][0].Draw(row[0])
		}
	}
	_, err := canvas.WriteTo(w)
	return err
}

// draw draws a panel's band and its line, of the points that can be drawn.
func (l Lines) draw(p *plot.Plot, panel Panel) error {
	var points plotter.XYs
	from, to := math.Inf(1), math.Inf(-1)
	low, high := 0.0, 0.0
	if panel.Log {
		low, high = math.Inf(1), math.Inf(-1)
	}
	for n := range min(len(panel.Values), mostDrawn) {
		x, timed := at(l.Time, n)
		y, ok := at(panel.Values, n)
		if !timed || !ok || panel.Log && y < leastLog {
			continue
		}
		points = append(points, plotter.XY{X: x, Y: y})
		from, to, low, high = min(from, x), max(to, x), min(low, y), max(high, y)
	}
	below, okLow := at([]float64{panel.Low}, 0)
	above, okHigh := at([]float64{panel.High}, 0)
	if okLow && okHigh && above > below && len(points) > 0 && (!panel.Log || below >= leastLog) {
		area, err := plotter.NewPolygon(plotter.XYs{{X: from, Y: below}, {X: to, Y: below}, {X: to, Y: above}, {X: from, Y: above}})
		if err != nil {
			return err
		}
		area.Color, area.LineStyle.Width = bandColour, 0
		p.Add(area)
		low, high = min(low, below), max(high, above)
	}
	p.Add(plotter.NewGrid())
	if len(points) > 0 {
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		line.StepStyle = plotter.PostStep
		line.Color, line.Width = colours[0], vg.Points(1.2)
		p.Add(line)
	}
	span(&p.X, from, to, false)
	span(&p.Y, low, high, panel.Log)
	return nil
}
