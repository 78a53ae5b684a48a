// SPDX-License-Identifier: Apache-2.0

package figure

import (
	"fmt"
	"image/color"
	"io"

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
	p := plot.New()
	p.Title.Text = b.Title
	p.Y.Label.Text = b.Unit
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Padding = true, vg.Points(3)
	p.NominalX(b.Kernels...)
	thickness := vg.Points(14)
	for i, s := range b.Series {
		bars, err := plotter.NewBarChart(plotter.Values(s.Values), thickness)
		if err != nil {
			return fmt.Errorf("draw %s: %w", b.File, err)
		}
		bars.Color = colours[i%len(colours)]
		bars.LineStyle.Width = 0
		bars.Offset = thickness * vg.Length(2*i-len(b.Series)+1) / 2
		labels := plotter.XYLabels{}
		for x, v := range s.Values {
			labels.XYs = append(labels.XYs, plotter.XY{X: float64(x), Y: v})
			labels.Labels = append(labels.Labels, fmt.Sprintf("%.0f", v))
		}
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
		for _, v := range s.Values {
			p.Y.Max = max(p.Y.Max, 1.3*v) // room for the legend
		}
	}
	canvas := vgsvg.New(width, barHeight)
	p.Draw(draw.New(canvas))
	_, err := canvas.WriteTo(w)
	return err
}

// SVG draws the panels, with the band behind the line.
func (l Lines) SVG(w io.Writer) error {
	canvas := vgsvg.New(width, panelHeight*vg.Length(len(l.Panels)))
	tiles := draw.Tiles{Rows: len(l.Panels), Cols: 1, PadY: vg.Points(6)}
	var plots [][]*plot.Plot
	for i, panel := range l.Panels {
		p := plot.New()
		if i == 0 {
			p.Title.Text = l.Title
		}
		if i == len(l.Panels)-1 {
			p.X.Label.Text = l.TimeUnit
		}
		p.Y.Label.Text = panel.Label
		if panel.Log {
			p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		} else {
			p.Y.Min = 0
		}
		if panel.High > panel.Low {
			if err := addBand(p, l.Time, panel); err != nil {
				return fmt.Errorf("draw %s: %w", l.File, err)
			}
		}
		var points plotter.XYs
		for n, v := range panel.Values {
			points = append(points, plotter.XY{X: l.Time[n], Y: v})
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return fmt.Errorf("draw %s: %w", l.File, err)
		}
		line.StepStyle = plotter.PostStep
		line.Color, line.Width = colours[0], vg.Points(1.2)
		p.Add(plotter.NewGrid(), line)
		plots = append(plots, []*plot.Plot{p})
	}
	for i, row := range plot.Align(plots, tiles, draw.New(canvas)) {
		plots[i][0].Draw(row[0])
	}
	_, err := canvas.WriteTo(w)
	return err
}

func addBand(p *plot.Plot, time []float64, panel Panel) error {
	first, last := time[0], time[len(time)-1]
	area, err := plotter.NewPolygon(plotter.XYs{
		{X: first, Y: panel.Low}, {X: last, Y: panel.Low}, {X: last, Y: panel.High}, {X: first, Y: panel.High},
	})
	if err != nil {
		return err
	}
	area.Color, area.LineStyle.Width = bandColour, 0
	p.Add(area)
	return nil
}
