// SPDX-License-Identifier: Apache-2.0

// Package table lays out what many programs come to on several kernels.
package table

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Row is a name and a cell for each kernel; without cells the name stands over all columns.
type Row struct {
	Name  string
	Cells []string
}

const minName = 12 // columns of a name that is cut

// Write writes rows: names to the left, cells to the right. Where the table would be wider than so many columns, names
// are cut; with 0 columns it is as wide as it is. Rows with cells have as many as the first.
func Write(w io.Writer, rows []Row, columns int) {
	name, wide := 0, make([]int, len(rows[0].Cells))
	for _, r := range rows {
		if r.Cells == nil {
			continue
		}
		name = max(name, ansi.StringWidth(r.Name))
		for i, cell := range r.Cells {
			wide[i] = max(wide[i], ansi.StringWidth(cell))
		}
	}
	if columns > 0 {
		rest := 0
		for _, n := range wide {
			rest += 2 + n
		}
		name = min(name, max(columns-rest, minName))
	}
	for _, r := range rows {
		if r.Cells == nil {
			fmt.Fprintln(w, r.Name)
			continue
		}
		short := ansi.Truncate(r.Name, name, "…")
		line := short + strings.Repeat(" ", name-ansi.StringWidth(short))
		for i, cell := range r.Cells {
			line += "  " + strings.Repeat(" ", wide[i]-ansi.StringWidth(cell)) + cell
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}
