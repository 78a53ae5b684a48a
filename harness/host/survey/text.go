// SPDX-License-Identifier: Apache-2.0

package survey

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"bpflab/harness/host/explain"
	"bpflab/harness/host/visible"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// Cell is what the table says of a program on a kernel: how many instructions the verifier has processed of one that it
// accepted.
func Cell(l job.Loaded) string {
	if v := VerdictOf(l); v != Accepted {
		return cells[v]
	}
	return strconv.Itoa(l.Stats.Processed)
}

var cells = map[Verdict]string{Rejected: "NO", NoTarget: "none", Lacks: "-", NotJudged: "ERROR"}

// legend explains cells, in this order, where they occur.
var legend = []struct {
	verdict Verdict
	text    string
}{
	{Accepted, "a number: accepted; the verifier has processed so many instructions"},
	{Rejected, "NO: rejected"},
	{NoTarget, "none: accepted, but this kernel has nothing to attach it to"},
	{Lacks, "-: cannot be loaded by itself"},
	{NotJudged, "ERROR: not judged"},
}

// Text writes the survey for people: a table, and below it what there is to say of each program that not every kernel
// accepts. columns is how wide the table may be, 0: as wide as it is; other lines are to be wrapped by the caller.
func (s Survey) Text(w io.Writer, columns int) error {
	var out strings.Builder
	s.table(&out, columns)
	for _, f := range s.Files {
		if f.Note != "" {
			fmt.Fprintf(&out, "\n%s: %s\n", visible.Line(f.Name), visible.Line(f.Note))
		}
		if f.Broken != "" {
			fmt.Fprintf(&out, "\n%s\n", visible.Quote(f.Broken))
		}
		for _, p := range f.Programs {
			p.write(&out, f.Name, s.Kernels)
		}
	}
	_, err := io.WriteString(w, strings.TrimPrefix(out.String(), "\n"))
	return err
}

const minName = 12 // columns of a program's name that is cut

func (s Survey) table(w io.Writer, columns int) {
	var rows [][]string
	seen := map[Verdict]bool{}
	for _, f := range s.Files {
		if f.Broken != "" {
			continue
		}
		rows = append(rows, []string{visible.Line(f.Name)})
		for _, p := range f.Programs {
			row := []string{"  " + visible.Line(p.Name)}
			for _, l := range p.On {
				seen[VerdictOf(l)] = true
				row = append(row, Cell(l))
			}
			rows = append(rows, row)
		}
	}
	if rows == nil {
		return
	}
	rows = append([][]string{append([]string{""}, s.Kernels...)}, rows...)
	wide := make([]int, 1+len(s.Kernels))
	rest := 0
	for i := range wide {
		for _, row := range rows {
			if i < len(row) && (i > 0 || len(row) > 1) {
				wide[i] = max(wide[i], ansi.StringWidth(row[i]))
			}
		}
		if i > 0 {
			rest += 2 + wide[i]
		}
	}
	if columns > 0 {
		wide[0] = min(wide[0], max(columns-rest, minName))
	}
	for _, row := range rows {
		if len(row) == 1 {
			fmt.Fprintln(w, row[0])
			continue
		}
		name := ansi.Truncate(row[0], wide[0], "…")
		line := name + strings.Repeat(" ", wide[0]-ansi.StringWidth(name))
		for i, cell := range row[1:] {
			line += fmt.Sprintf("  %*s", wide[1+i], cell)
		}
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	for _, l := range legend {
		if seen[l.verdict] {
			fmt.Fprintln(w, l.text)
		}
	}
}

// Log writes what a verifier's log from anywhere says, as Text writes a rejection.
func Log(w io.Writer, r verifier.Report) error {
	text := fmt.Sprintf("accepted; the verifier has processed %d instructions", r.Stats.Processed)
	if !r.Accepted {
		s := say(job.Loaded{Report: r})
		text = strings.ReplaceAll(s.text, "\n    ", "\n  ")
		for _, line := range s.meaning {
			text += "\n  " + visible.Line(line)
		}
	}
	if r.Program != "" {
		text = visible.Line(r.Program) + ": " + text
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// write writes what there is to say of a program: a group of lines for all kernels that agree. What several groups mean
// alike is told once.
func (p Program) write(w io.Writer, file string, kernels []string) {
	var groups []said
	for i, l := range p.On {
		if VerdictOf(l) == Accepted {
			continue
		}
		s := say(l)
		at := slices.IndexFunc(groups, func(g said) bool { return g.text == s.text })
		if at < 0 {
			at = len(groups)
			groups = append(groups, s)
		}
		groups[at].kernels = append(groups[at].kernels, kernels[i])
	}
	if groups == nil {
		return
	}
	fmt.Fprintf(w, "\n%s\n", strings.TrimSuffix(visible.Line(file)+": "+visible.Line(p.Name), ": "))
	told := map[string]bool{}
	for _, g := range groups {
		fmt.Fprintf(w, "  %s: %s\n", strings.Join(g.kernels, ", "), g.text)
		for _, line := range g.meaning {
			if !told[line] {
				fmt.Fprintf(w, "    %s\n", visible.Line(line))
			}
			told[line] = true
		}
	}
}

// said is what kernels say of a program.
type said struct {
	kernels []string
	text    string   // of lines, all but the first indented
	meaning []string // lines that explain it
}

// say says what became of a program on a kernel.
func say(l job.Loaded) said {
	switch VerdictOf(l) {
	case NotJudged:
		return said{text: "not judged: " + indented(l.Error)}
	case Lacks:
		return said{text: indented(l.Lacks)}
	case NoTarget:
		return said{text: "accepted, but " + indented(l.NoTarget)}
	}
	lines := []string{"rejected", l.By.String() + ": " + visible.Line(l.Message)}
	if l.Source != "" {
		lines = append(lines, "at: "+visible.Line(l.Source))
	}
	e, ok := explanation(l)
	if !ok {
		return said{text: strings.Join(lines, "\n    ")}
	}
	lines[0] += ": " + e.Kind
	if e.Kind == explain.Unknown { // the log says more
		for _, line := range l.Log {
			lines = append(lines, indented(line))
		}
	}
	return said{text: strings.Join(lines, "\n    "), meaning: e.Lines()}
}

// indented is a text of which no line can pass for one that says what became of a program.
func indented(text string) string { return strings.Join(visible.Lines(text), "\n    ") }
