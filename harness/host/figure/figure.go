// SPDX-License-Identifier: Apache-2.0

// Package figure draws what was measured: as SVG for a page, and small, in text, for a
// terminal.
package figure

import "io"

// Figure is a picture of what was measured.
type Figure interface {
	// Name is the base of a file's name, such as "lab12_1-cost".
	Name() string
	// SVG draws it for a page.
	SVG(w io.Writer) error
	// Text draws it in a few lines of at most width columns, which are 50 at least.
	Text(w io.Writer, width int)
}

// Bars compares a few costs on several kernels.
type Bars struct {
	File, Title, Unit string
	Kernels           []string
	Series            []Series // in the order of the legend
}

// Series is what one program costs, kernel by kernel.
type Series struct {
	Label  string
	Values []float64
}

// Name is the base of a file's name.
func (b Bars) Name() string { return b.File }

// Lines shows quantities over time, each in a panel of its own, one below the other.
type Lines struct {
	File, Title string
	TimeUnit    string
	Time        []float64
	Panels      []Panel
}

// Panel is one quantity over time.
type Panel struct {
	Label     string
	Values    []float64
	Low, High float64 // a band to stay in; both 0: none
	Log       bool    // a logarithmic scale, for values above 0
}

// Name is the base of a file's name.
func (l Lines) Name() string { return l.File }
