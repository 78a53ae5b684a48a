// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"bpflab/harness/host/report"
	"bpflab/harness/host/visible"
)

const (
	minWidth   = 50
	usualWidth = 80
	maxCell    = 60  // columns of a cell
	tightCell  = 31  // the same where the steps' rows would otherwise not fit
	maxLine    = 200 // of a line with a value
)

// Text writes the run for people, its paragraphs and its table in so many columns, of which there are at least 50; 0
// is no terminal's width, and 80 columns. What others have written, and values, may be longer. Nothing that a
// submission or a guest says is written as it is: w may be a terminal.
func (r Run) Text(w io.Writer, columns int) error {
	t := &text{width: max(cmp.Or(columns, usualWidth), minWidth)}
	parts := []string{r.Lab + "  " + r.Title, fmt.Sprintf("%s  %.7s", r.File, r.SHA256), "Linux " + r.Kernel}
	if one := strings.Join(parts, "   "); ansi.StringWidth(visible.Line(one)) <= t.width {
		parts = []string{one}
	}
	for _, part := range parts {
		t.paragraph(part)
	}
	t.WriteString("\n")
	if r.Problem != nil {
		t.problem(*r.Problem)
	} else {
		for _, s := range r.Settings {
			t.paragraph(s)
		}
		t.steps(r.Trace)
		for i, n := range r.Notes {
			if i == 0 {
				t.WriteString("\n")
			}
			t.paragraph(n)
		}
		t.held(r.Held)
	}
	if _, err := io.WriteString(visible.Trusted(w), t.String()); err != nil {
		return fmt.Errorf("write what was seen: %w", err)
	}
	return nil
}

type text struct {
	strings.Builder
	width int
}

// printf writes a line, or some, with each argument made one line in which nothing is hidden.
func (t *text) printf(format string, args ...any) {
	for i, arg := range args {
		if s, ok := arg.(string); ok {
			args[i] = visible.Line(s)
		}
	}
	fmt.Fprintf(t, format, args...)
}

// paragraph writes a text in lines that fit.
func (t *text) paragraph(s string) {
	t.WriteString(report.Wrap(visible.Line(s), t.width) + "\n")
}

func (t *text) problem(p Problem) {
	t.paragraph(p.Message)
	for _, detail := range p.Details {
		t.quote(detail)
	}
}

// quote writes lines of others, marked, so that none passes for a line of ours.
func (t *text) quote(lines string) {
	for _, line := range visible.Lines(lines) {
		t.WriteString(visible.Mark + line + "\n")
	}
}

// wrong is before the number of a step of which something is not as it should be.
const wrong = "✗"

// steps writes a row for each step; below it what was expected, in the same columns, and what was printed.
func (t *text) steps(s Trace) {
	var names []string
	for _, c := range s.Columns {
		names = append(names, c.Name)
	}
	table := [][]string{names}
	for _, step := range s.Steps {
		table = append(table, step.Found, step.expected())
	}
	limit := maxCell
	widths := widest(table, limit)
	lines := t.broken(widths)
	if len(lines) > 1 {
		limit = tightCell
		widths = widest(table, limit)
		lines = t.broken(widths)
	}
	row := func(begin string, cells []string) {
		for n, columns := range lines {
			line := begin
			for _, i := range columns {
				cell := shown(cells[i], limit)
				pad := strings.Repeat(" ", widths[i]-ansi.StringWidth(cell))
				if s.Columns[i].Number {
					cell = pad + cell
				} else {
					cell += pad
				}
				line += "  " + cell
			}
			if line = strings.TrimRight(line, " "); line != "" || n == 0 {
				t.WriteString(line + "\n")
			}
			begin = furtherLine
		}
	}
	t.WriteString("\n")
	row(firstLine, names)
	any := false
	for n, step := range s.Steps {
		if step.Wrong() {
			any = true
			row(fmt.Sprintf("%s%3d", wrong, n+1), step.Found)
			row(firstLine, step.expected())
		} else {
			row(fmt.Sprintf(" %3d", n+1), step.Found)
		}
		for _, line := range step.Printed.Lines {
			t.quote(line)
		}
		if step.Printed.More > 0 {
			t.printf("    and %d more lines were printed\n", step.Printed.More)
		}
	}
	if any {
		t.WriteString("\n")
		t.paragraph(wrong + " marks what is not as it should be.")
	}
}

const (
	firstLine   = "    "   // before a row: a mark and a step's number
	furtherLine = "      " // before what has no room on a row's first line
)

// broken says which columns stand on each line of a row: all on one, or as many on each as there is room for.
func (t *text) broken(widths []int) (lines [][]int) {
	room := 0
	for i, width := range widths {
		if room -= 2 + width; room < 0 {
			begin := firstLine
			if lines != nil {
				begin = furtherLine
			}
			lines, room = append(lines, nil), t.width-len(begin)-2-width
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], i)
	}
	return lines
}

// widest is how wide each column of a table is, where its cells are no wider than limit.
func widest(table [][]string, limit int) []int {
	widths := make([]int, len(table[0]))
	for _, cells := range table {
		for i, cell := range cells {
			widths[i] = max(widths[i], ansi.StringWidth(shown(cell, limit)))
		}
	}
	return widths
}

// expected are the cells below those of a step of which something is wrong; none below another.
func (s Step) expected() []string {
	if !s.Wrong() {
		return nil
	}
	cells := slices.Clone(s.Expected)
	cells[0] = cmp.Or(cells[0], "expected")
	return cells
}

// shown is a cell as it is shown.
func shown(cell string, limit int) string { return ansi.Truncate(visible.Line(cell), limit, more) }

func (t *text) held(h Held) {
	for _, m := range h.Maps {
		t.printf("\nmap %s, %s:", m.Name, m.Type)
		switch {
		case len(m.Entries) > 0:
		case strings.Contains(m.Type, "Hash"):
			t.WriteString(" empty")
		default:
			t.WriteString(" all zero")
		}
		t.WriteString("\n")
		for _, e := range m.Entries {
			t.line(fmt.Sprintf("  [%s] %s", spell(e.Key), values(e.Values)))
		}
		if m.More {
			t.WriteString("  and perhaps more: not all of it was read\n")
		}
	}
	for i, v := range h.Variables {
		if i == 0 {
			t.WriteString("\nvariables:\n")
		}
		t.line(fmt.Sprintf("  %s %s", v.Name, spell(v.Value)))
	}
}

// line writes a line with a value, as far as that is not too long.
func (t *text) line(s string) {
	t.WriteString(ansi.Truncate(visible.Line(s), maxLine, more) + "\n")
}

// values spells the values of all CPUs.
func values(all []any) string {
	if len(all) == 1 {
		return spell(all[0])
	}
	var parts []string
	for cpu, v := range all {
		parts = append(parts, fmt.Sprintf("CPU %d: %s", cpu, spell(v)))
	}
	return strings.Join(parts, "; ")
}

// spell spells a value.
func spell(value any) string {
	switch v := value.(type) {
	case string:
		return strconv.Quote(v)
	case Struct:
		var parts []string
		for _, f := range v {
			one := spell(f.Value)
			if _, ok := f.Value.(Struct); ok {
				one = "{" + one + "}"
			}
			parts = append(parts, f.Name+" "+one)
		}
		return strings.Join(parts, ", ")
	case []any:
		var parts []string
		for _, item := range v {
			one := spell(item)
			if _, ok := item.(Struct); ok {
				one = "{" + one + "}"
			}
			parts = append(parts, one)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(value)
}
