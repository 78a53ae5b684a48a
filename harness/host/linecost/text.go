// SPDX-License-Identifier: Apache-2.0

package linecost

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/dustin/go-humanize/english"

	"bpflab/harness/host/inspect"
	"bpflab/harness/host/runcost"
	"bpflab/harness/host/survey"
	"bpflab/harness/host/visible"
)

// small is which share of the cost a line must have to be shown where not all lines are.
const small = 0.01

// few is up to how many lines all are shown.
const few = 40

// Options are how profiles are shown.
type Options struct {
	Columns int  // how wide lines may be; 0: as wide as they are
	All     bool // lines that cost next to nothing as well
	// Path returns the longest path through a program of a file, in BPF instructions; nil: it is not known.
	Path func(file, program string) inspect.Count
}

// Text writes the profiles of a survey's programs for people. A survey of one kernel shows how often each line runs, and
// what its own code and its calls cost; one of several kernels what each line costs on each of them.
func Text(w io.Writer, c runcost.Costs, o Options) error {
	var out strings.Builder
	for _, f := range c.Files {
		if f.Broken != "" {
			fmt.Fprintf(&out, "%s\n\n", visible.Quote(f.Broken))
			continue
		}
		if f.Note != "" {
			fmt.Fprintf(&out, "%s\n\n", visible.Line(f.Name+": "+f.Note))
		}
		for _, p := range f.Programs {
			program(&out, c, f, p, o)
		}
	}
	_, err := io.WriteString(w, strings.TrimSuffix(out.String(), "\n"))
	return err
}

// on is a program's profile on one kernel.
type on struct {
	kernel string
	Profile
}

// profiles are those of a program, and why there is none on other kernels.
func profiles(c runcost.Costs, p survey.Program) (all []on, missing []string) {
	why := map[string][]string{}
	var order []string
	for i, l := range p.On {
		got, err := Of(l)
		if err == nil {
			all = append(all, on{c.Kernels[i], got})
			continue
		}
		reason := cmp.Or(runcost.WhyNot(l), "no profile: "+err.Error())
		if why[reason] == nil {
			order = append(order, reason)
		}
		why[reason] = append(why[reason], c.Kernels[i])
	}
	for _, reason := range order {
		missing = append(missing, strings.Join(why[reason], ", ")+": "+reason)
	}
	return all, missing
}

func program(w io.Writer, c runcost.Costs, f survey.File, p survey.Program, o Options) {
	all, missing := profiles(c, p)
	fmt.Fprintln(w, strings.TrimSuffix(visible.Line(f.Name)+": "+visible.Line(p.Name), ": "))
	for _, m := range missing {
		fmt.Fprintf(w, "  %s\n", visible.Line(m))
	}
	if len(all) > 0 {
		lines := merge(all)
		table(w, all, lines, o)
		fmt.Fprintln(w)
		notes(w, c, all)
		if o.Path != nil {
			longestPath(w, c, all[0], o.Path(f.Name, p.Name))
		}
	}
	fmt.Fprintln(w)
}

// line is one that several kernels have run.
type line struct {
	Line // on the first of them
	on   []Line
	most float64 // share of the cost on the kernel where it is highest
}

// merge puts the lines of several kernels together: a verifier may remove some.
func merge(all []on) (lines []line) {
	type key struct {
		file   string
		number int
	}
	at := map[key]int{}
	for k, p := range all {
		for _, l := range p.Lines {
			i, ok := at[key{l.File, l.Number}]
			if !ok {
				i = len(lines)
				at[key{l.File, l.Number}] = i
				lines = append(lines, line{Line: l, on: make([]Line, len(all))})
			}
			lines[i].on[k] = l
			lines[i].most = max(lines[i].most, l.Cost()/max(p.Total+p.Empty, 1))
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Number, b.Number)) })
	return lines
}

// heads are those of the columns before a line's text.
func heads(all []on) (heads []string) {
	if len(all) == 1 {
		return []string{"runs", "own", "calls", "%"}
	}
	heads = []string{"runs"}
	for _, p := range all {
		heads = append(heads, p.kernel)
	}
	return heads
}

// cells are the figures before a line's text.
func (l line) cells(all []on) []string {
	if len(all) > 1 {
		cells := []string{figure(l.Runs, 2)}
		for _, on := range l.on {
			cells = append(cells, figure(on.Cost(), 1))
		}
		return cells
	}
	calls := ""
	if len(l.Calls) > 0 {
		calls = figure(l.Cost()-l.Own, 1)
	}
	return []string{figure(l.Runs, 2), figure(l.Own, 1), calls, strconv.Itoa(int(math.Round(100 * l.Cost() / max(all[0].Total+all[0].Empty, 1))))}
}

// last are the rows below the lines.
func last(all []on) (rows [][]string) {
	total, empty, rest := []string{""}, []string{""}, []string{""}
	for _, p := range all {
		total, empty, rest = append(total, figure(p.Total, 1)), append(empty, figure(-p.Empty, 1)), append(rest, figure(p.Remainder(), 1))
	}
	rows = [][]string{append(empty, "less what an empty program costs"), append(rest, "remainder"), append(total, "cost of a run, over an empty program")}
	if !all[0].Measured {
		rows = slices.Delete(rows, 1, 2)
	}
	if len(all) == 1 {
		for i, r := range rows {
			rows[i] = []string{"", "", r[1], "", r[2]}
		}
	}
	return rows
}

// figure writes a number with some decimals, and zero without a sign.
func figure(x float64, decimals int) string {
	s := strconv.FormatFloat(x, 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		return strings.TrimPrefix(s, "-")
	}
	return s
}

// table writes the lines: figures, number and text.
func table(w io.Writer, all []on, lines []line, o Options) {
	shown, left, share := lines, 0, 0.0
	if !o.All && len(lines) > few {
		shown = nil
		for _, l := range lines {
			if l.most >= small {
				shown = append(shown, l)
				continue
			}
			left++
			share += l.Cost() / max(all[0].Total+all[0].Empty, 1)
		}
	}
	rows, bottom := [][]string{heads(all)}, last(all)
	for _, l := range shown {
		rows = append(rows, l.cells(all))
	}
	wide := make([]int, len(rows[0]))
	number := 0
	for _, r := range append(rows, bottom...) {
		for i := range wide {
			wide[i] = max(wide[i], len(r[i]))
		}
	}
	for _, l := range shown {
		number = max(number, len(strconv.Itoa(l.Number)))
	}
	put := func(cells []string, text string) {
		row := ""
		for i, cell := range cells[:len(wide)] {
			row += strings.Repeat(" ", 2+wide[i]-len(cell)) + cell
		}
		row += "  " + text
		if o.Columns > 0 {
			row = ansi.Truncate(row, o.Columns, "…")
		}
		fmt.Fprintln(w, strings.TrimRight(row, " "))
	}
	put(rows[0], "")
	file := ""
	indent := common(shown)
	for i, l := range shown {
		if name := nameOf(l.Line); name != file {
			file = name
			put(make([]string, len(wide)), visible.Line(file))
		}
		text := strings.TrimPrefix(strings.ReplaceAll(strings.TrimRight(l.Text, " \t\n"), "\t", "    "), indent)
		put(rows[i+1], fmt.Sprintf("%*d  %s", number, l.Number, visible.Line(text)))
	}
	if left > 0 {
		put(make([]string, len(wide)), fmt.Sprintf("%d lines that cost less than 1%% each are left out, %.1f%% together: --all shows them", left, 100*share))
	}
	for _, r := range bottom {
		put(r, r[len(r)-1])
	}
}

// nameOf is what stands over the lines of a file.
func nameOf(l Line) string {
	if l.File == "" {
		return "by instruction: the object has no line information for these (compile it with -g)"
	}
	return path.Base(l.File)
}

// common is the indentation that all lines have.
func common(lines []line) (indent string) {
	for i, l := range lines {
		text := strings.ReplaceAll(l.Text, "\t", "    ")
		own := text[:len(text)-len(strings.TrimLeft(text, " "))]
		if i == 0 || len(own) < len(indent) {
			indent = own
		}
	}
	return indent
}

// notes are what to know beside the lines: the most expensive calls, the longest run, and what a remainder is.
func notes(w io.Writer, c runcost.Costs, all []on) {
	first := all[0]
	what := "are of a run at the events that system calls of many kinds bring about"
	switch {
	case !first.Measured:
		what = "are of a run " + c.Input
	case first.OnContext:
		what = "are of a run on " + cmp.Or(c.Context, runcost.NoContext)
	case first.Longest >= 0:
		what = fmt.Sprintf("are the mean of %s: %s", english.Plural(len(c.Frames), "frame", ""), c.Input)
	}
	columns := "own is the cost of its machine code, and calls that of what it calls, in instructions"
	if len(all) > 1 {
		columns = "the other columns are its cost with all that it calls, in instructions"
	}
	fmt.Fprintf(w, "  runs is how often a line runs in a run of the program, %s; all figures %s\n", columns, what)
	if calls := first.Calls(); len(calls) > 0 {
		fmt.Fprintf(w, "  calls on %s, the most expensive first:\n", first.kernel)
		for _, call := range calls[:min(len(calls), 5)] {
			fmt.Fprintf(w, "    %s, %s: %s a run, called %s times\n", visible.Line(call.Name), visible.Line(call.Line), figure(call.Cost, 1), figure(call.Runs, 2))
		}
	}
	for _, p := range all {
		if names := untimed(p.Untimed); names != "" {
			fmt.Fprintf(w, "  %s: the remainder has the cost of %s\n", p.kernel, names)
		}
		if p.Differs > 0 {
			fmt.Fprintf(w, "  %s: on %s the copy that counts returned something else: the program depends on time or chance\n", p.kernel, english.Plural(p.Differs, "frame", ""))
		}
	}
}

// longestPath compares the longest path through a program with the longest that a frame has taken.
func longestPath(w io.Writer, c runcost.Costs, p on, longest inspect.Count) {
	fmt.Fprint(w, "  longest path through the program: ")
	if longest.Bound != "" {
		fmt.Fprintf(w, "without a static bound (%s)", visible.Line(longest.Bound))
	} else {
		fmt.Fprintf(w, "%d BPF instructions", longest.Most)
	}
	if p.Longest >= 0 && p.Longest < len(c.Frames) {
		fmt.Fprintf(w, "; longest that was taken: %d, by frame %d (%s)", p.Most, p.Longest+1, visible.Line(c.Frames[p.Longest]))
	}
	fmt.Fprintln(w)
}

// untimed names calls, each once.
func untimed(calls []Call) string {
	names := map[string]bool{}
	for _, c := range calls {
		names[visible.Line(c.Name)] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}
