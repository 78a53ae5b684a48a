// SPDX-License-Identifier: Apache-2.0

package checklist

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"bpflab/harness/host/inspect"
	"bpflab/harness/host/table"
	"bpflab/harness/host/visible"
)

// Text writes the report for people: a table of outcomes, and below it, of each program, what there is to do, what
// passes and what does not apply. columns is how wide the table may be, 0: as wide as it is; other lines are to be
// wrapped by the caller.
func (r Report) Text(w io.Writer, columns int) error {
	var out strings.Builder
	r.table(&out, columns)
	for _, f := range r.Broken {
		fmt.Fprintf(&out, "\n%s\n", visible.Quote(f.Broken))
	}
	for _, f := range r.Notes {
		fmt.Fprintf(&out, "\n%s: %s\n", visible.Line(f.Name), visible.Line(f.Note))
	}
	for i, warning := range r.Warnings {
		if i == maxPlaces {
			fmt.Fprintf(&out, "\nand %s of the compiler\n", several(len(r.Warnings)-maxPlaces, "more warning"))
			break
		}
		fmt.Fprintf(&out, "\n%s\n", visible.Quote(warning))
	}
	for _, p := range r.Programs {
		p.text(&out)
	}
	_, err := io.WriteString(w, strings.TrimPrefix(out.String(), "\n"))
	return err
}

func (r Report) table(w io.Writer, columns int) {
	if len(r.Programs) == 0 {
		return
	}
	heads := map[Outcome]string{Pass: "pass", Fail: "FAIL", NeedsYou: "you", NotJudged: "ERROR", NotApplicable: "n/a"}
	var shown []Outcome
	for _, o := range outcomes {
		if o != NotJudged || slices.ContainsFunc(r.Programs, func(p Program) bool { return p.Count(NotJudged) > 0 }) {
			shown = append(shown, o)
		}
	}
	head := table.Row{}
	for _, o := range shown {
		head.Cells = append(head.Cells, heads[o])
	}
	rows := []table.Row{head}
	for i, p := range r.Programs {
		if i == 0 || r.Programs[i-1].File != p.File {
			rows = append(rows, table.Row{Name: visible.Line(p.File)})
		}
		row := table.Row{Name: "  " + visible.Line(p.Name)}
		for _, o := range shown {
			row.Cells = append(row.Cells, fmt.Sprint(p.Count(o)))
		}
		rows = append(rows, row)
	}
	table.Write(w, rows, columns)
	fmt.Fprintf(w, "\n%d points on Linux %s; you: to be found out on a machine of yours; n/a: does not apply\n", len(Points), strings.Join(r.Kernels, ", "))
}

// text writes a program's findings: those to act on in full, those that pass in a line each.
func (p Program) text(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s\n", visible.Line(p.File), visible.Line(p.Name))
	var apply []string
	told := map[string]bool{} // commands
	for _, o := range outcomes {
		for i, f := range p.Findings {
			switch {
			case f.Outcome != o:
			case o == Pass:
				fmt.Fprintf(w, "- %s  %s: %s\n", o, f.Point.Title, f.brief())
			case o == NotApplicable:
				apply = append(apply, fmt.Sprintf("%s (%s)", f.Point.Title, visible.Line(f.Message)))
			case !slices.ContainsFunc(p.Findings[:i], f.alike):
				f.text(w, p.titles(f), told)
			}
		}
	}
	if len(apply) > 0 {
		fmt.Fprintf(w, "- does not apply: %s\n", strings.Join(apply, ", "))
	}
}

// alike reports whether there is no more to say of another finding than of this one, such as that a program was not
// run.
func (f Finding) alike(other Finding) bool {
	return f.Number == "" && other.Number == "" && f.Outcome == other.Outcome && f.Message == other.Message && f.Kernel == other.Kernel && slices.Equal(f.Yours, other.Yours)
}

// titles are those of a finding and of all that are like it.
func (p Program) titles(f Finding) string {
	titles := []string{f.Point.Title}
	for _, other := range p.Findings {
		if other.Point != f.Point && f.alike(other) {
			titles = append(titles, other.Point.Title)
		}
	}
	return strings.Join(titles, ", ")
}

// brief is what was found, where, and what it was held to.
func (f Finding) brief() string {
	text := visible.Line(f.Number)
	if f.Kernel != "" {
		text += " on " + f.Kernel
	}
	if f.Limit != "" {
		text += " (" + visible.Line(f.Limit) + ")"
	}
	return strings.TrimSpace(text)
}

func (f Finding) text(w io.Writer, titles string, told map[string]bool) {
	head := fmt.Sprintf("- %s  %s", f.Outcome, titles)
	if brief := f.brief(); f.Number != "" {
		head += ": " + brief
	}
	fmt.Fprintln(w, head)
	if f.Message != "" {
		fmt.Fprintf(w, "    %s\n", visible.Line(f.Message))
	}
	for i, p := range f.Places {
		if i == maxPlaces {
			fmt.Fprintf(w, "    and %d more\n", len(f.Places)-maxPlaces)
			break
		}
		if at := position(p); at != "" {
			fmt.Fprintf(w, "%s%s\n", visible.Mark, visible.Line(at))
		}
	}
	again := false
	for _, command := range f.Yours {
		if again = again || told[command]; !told[command] {
			fmt.Fprintf(w, "    run: %s\n", visible.Line(command))
		}
		told[command] = true
	}
	if again {
		fmt.Fprintf(w, "    run: as above\n")
	}
	if f.Deeper != "" && !slices.Contains(f.Yours, f.Deeper) {
		fmt.Fprintf(w, "    more: %s\n", visible.Line(f.Deeper))
	}
}

// maxPlaces is how many lines of a program's source are shown of a finding, and how many of the compiler's warnings.
const maxPlaces = 5

// position is a place as compilers write it, with its text.
func position(p inspect.Place) string {
	at := p.Text
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return strings.TrimSuffix(strings.TrimSpace(at), ":")
}

// sourceOf is the file that a place of a program is in, as the user has named it; empty if only its name is known.
func sourceOf(file string, p inspect.Place) string {
	if p.Line > 0 && p.File == filepath.Base(file) {
		return file
	}
	return ""
}
