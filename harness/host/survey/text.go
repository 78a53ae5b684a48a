// SPDX-License-Identifier: Apache-2.0

package survey

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"bpflab/harness/host/explain"
	"bpflab/harness/host/table"
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
			s.Detail.write(&out, p, s.Kernels, "    ", columns)
		}
	}
	_, err := io.WriteString(w, strings.TrimPrefix(out.String(), "\n"))
	return err
}

func (s Survey) table(w io.Writer, columns int) {
	rows := []table.Row{{Cells: s.Kernels}}
	seen := map[Verdict]bool{}
	for _, f := range s.Files {
		if f.Broken != "" {
			continue
		}
		rows = append(rows, table.Row{Name: visible.Line(f.Name)})
		for _, p := range f.Programs {
			row := table.Row{Name: "  " + visible.Line(p.Name)}
			for _, l := range p.On {
				seen[VerdictOf(l)] = true
				row.Cells = append(row.Cells, Cell(l))
			}
			rows = append(rows, row)
		}
	}
	if len(rows) == 1 {
		return
	}
	table.Write(w, rows, columns)
	fmt.Fprintln(w)
	for _, l := range legend {
		if seen[l.verdict] {
			fmt.Fprintln(w, l.text)
		}
	}
}

// Log writes what a verifier's log from anywhere says, as Text writes a rejection.
func Log(w io.Writer, r verifier.Report, columns int, d Detail) error {
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
	var out strings.Builder
	d.write(&out, Program{On: []job.Loaded{{Report: r}}}, []string{""}, "  ", columns)
	_, err := fmt.Fprintln(w, text+strings.TrimSuffix("\n"+out.String(), "\n"))
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
	if l.Missing != "" {
		lines = append(lines, "missing: "+visible.Line(l.Missing))
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
