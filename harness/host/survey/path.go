// SPDX-License-Identifier: Apache-2.0

package survey

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/dustin/go-humanize/english"

	"bpflab/harness/host/explain"
	"bpflab/harness/host/visible"
	"bpflab/harness/verifier"
)

// A line of C on a path, with its instructions.
type stretch struct {
	source string
	depth  int
	steps  []explain.Step
	shown  bool
}

// Of a path that has more than maxSteps instructions, these are shown: the lines that bear on the rejection, of which
// only the last maxBearing, and the last maxEnd lines.
const (
	maxSteps   = 60
	maxBearing = 16
	maxEnd     = 5
)

// path writes the verifier's path to a rejection: each source line, its instructions, and beside each, or below it
// where there is no room, what it changed.
func path(w *strings.Builder, r verifier.Report, kernel, indent string, columns int, all bool) {
	p, ok := explain.PathOf(r)
	if !ok {
		fmt.Fprintf(w, "%sno path to show: %s\n", indent, withoutPath(r))
		return
	}
	columns = cmp.Or(columns, 80)
	var lines []stretch
	count := 0
	for _, s := range p.Steps {
		if n := len(lines); n == 0 || !sameLine(lines[n-1].source, s.Source) || lines[n-1].depth != s.Depth || lines[n-1].steps[0].Number < 0 {
			lines = append(lines, stretch{source: s.Source, depth: s.Depth})
		}
		last := &lines[len(lines)-1]
		last.steps = append(last.steps, s)
		if s.Number >= 0 {
			count++
		}
	}
	choose(lines, all || count <= maxSteps)

	fmt.Fprintf(w, "%sthe path to it", indent)
	if kernel != "" {
		fmt.Fprintf(w, " on %s", visible.Line(kernel))
	}
	fmt.Fprintf(w, ", %s", english.Plural(count, "instruction", ""))
	if p.Bears != "" {
		fmt.Fprintf(w, "; * bears on %s", p.Bears)
	}
	fmt.Fprintln(w)
	if p.Cut > 0 {
		fmt.Fprintf(w, "  … it begins %d lines of the log before\n", p.Cut)
	}
	beside := besideAt(lines, columns)
	file := ""
	hiddenLines, hidden := 0, 0
	for _, line := range lines {
		if !line.shown {
			if line.steps[0].Number >= 0 {
				hiddenLines, hidden = hiddenLines+1, hidden+len(line.steps)
			}
			continue
		}
		if hidden > 0 {
			fmt.Fprintf(w, "  … %s of %s\n", english.Plural(hidden, "instruction", ""), english.Plural(hiddenLines, "line", ""))
			hiddenLines, hidden = 0, 0
		}
		if name, _ := at(line.source); name != "" && name != file {
			file = name
			put(w, visible.Mark, visible.Line(file), columns)
		}
		line.write(w, columns, beside, all)
	}
	for _, v := range p.Used {
		put(w, strings.Repeat(" ", 11), v.Name+" is "+visible.Line(v.Is), columns)
	}
	put(w, indent+"rejected: ", visible.Line(r.Message), columns)
}

// withoutPath says why there is none.
func withoutPath(r verifier.Report) string {
	switch {
	case r.By != verifier.Verifier:
		return "the verifier did not look at the instructions"
	case r.Stats.Processed > verifier.MaxTraced:
		return fmt.Sprintf("the verifier has processed %d instructions, and only up to %d are logged", r.Stats.Processed, verifier.MaxTraced)
	}
	return "the log shows no instruction"
}

// choose marks the lines that are shown.
func choose(lines []stretch, all bool) {
	bearing := 0
	for i := len(lines) - 1; i >= 0; i-- {
		bears := false
		for _, s := range lines[i].steps {
			bears = bears || s.Bears
		}
		if bears {
			bearing++
		}
		lines[i].shown = all || bears && bearing <= maxBearing || len(lines)-i <= maxEnd
	}
	// A note in place of one line is no shorter.
	for i := range lines {
		if !lines[i].shown && len(lines[i].steps) == 1 && (i == 0 || lines[i-1].shown) && (i+1 == len(lines) || lines[i+1].shown) {
			lines[i].shown = true
		}
	}
}

// at splits a source line into its file and the rest.
func at(source string) (file, rest string) {
	if m := fileLine.FindStringSubmatch(source); m != nil {
		return m[1], m[2] + "  " + m[3]
	}
	return "", source
}

// sameLine reports whether two sources are the same line: kernels may cut its text at another place.
func sameLine(a, b string) bool {
	m, n := fileLine.FindStringSubmatch(a), fileLine.FindStringSubmatch(b)
	return a == b || m != nil && n != nil && m[1] == n[1] && m[2] == n[2]
}

var fileLine = regexp.MustCompile(`^([^\s:]+):(\d+): (.*)$`)

// besideAt returns the column at which changes are written, so that most fit beside their instructions, or 0: all go
// below.
func besideAt(lines []stretch, columns int) int {
	const least, most, room = 26, 44, 32
	if columns < least+room {
		return 0
	}
	column := least
	for _, line := range lines {
		for _, s := range line.steps {
			if wide := ansi.StringWidth(line.begin(s)) + 2; line.shown && len(s.Changed)+len(s.Branch) > 0 && wide <= most && wide <= columns-room {
				column = max(column, wide)
			}
		}
	}
	return column
}

// begin is an instruction without what it changed.
func (l stretch) begin(s explain.Step) string {
	mark := " "
	if s.Bears {
		mark = "*"
	}
	nested := strings.Repeat("  ", min(l.depth, maxNested))
	if s.Number < 0 {
		return fmt.Sprintf(" %s%s     at the start", mark, nested)
	}
	return fmt.Sprintf(" %s%s%5d  %s", mark, nested, s.Number, visible.Line(helperNumber.ReplaceAllString(s.Text, "$1")))
}

// maxNested is how many functions in a row are indented.
const maxNested = 8

// The helper's number says no more than its name.
var helperNumber = regexp.MustCompile(`^(call [a-z]\w+)#\d+$`)

// write writes a line of C and its instructions, with what they changed beside them from a column on, or below.
func (l stretch) write(w *strings.Builder, columns, column int, all bool) {
	nested := strings.Repeat("  ", min(l.depth, maxNested))
	if l.source != "" {
		_, text := at(l.source)
		fmt.Fprintln(w, ansi.Truncate(visible.Mark+nested+visible.Line(text), columns, "…"))
	}
	const first, last = 4, 8
	for i, s := range l.steps {
		if n := len(l.steps) - first - last; !all && n > 1 && i >= first && i < first+n {
			if i == first {
				fmt.Fprintf(w, "  … %d instructions of this line\n", n)
			}
			continue
		}
		begin := l.begin(s)
		var changes []string
		if s.Branch != "" {
			changes = append(changes, s.Branch)
		}
		for _, c := range s.Changed {
			changes = append(changes, c.Name+" = "+visible.Line(c.Is))
		}
		wide := ansi.StringWidth(begin)
		fits := wide+2 <= column
		for _, c := range changes {
			fits = fits && column+ansi.StringWidth(c) <= columns
		}
		if len(changes) == 0 || !fits {
			put(w, "", begin, columns)
		}
		for i, c := range changes {
			switch {
			case !fits:
				put(w, strings.Repeat(" ", 11)+nested, c, columns)
			case i == 0:
				fmt.Fprintln(w, begin+strings.Repeat(" ", column-wide)+c)
			default:
				fmt.Fprintln(w, strings.Repeat(" ", column)+c)
			}
		}
	}
}

// put writes a text, and continues it below its beginning where it is too wide.
func put(w *strings.Builder, begin, text string, columns int) {
	indent := ansi.StringWidth(begin)
	for i, part := range strings.Split(ansi.Wrap(text, max(columns-indent, 20), " "), "\n") {
		if i > 0 {
			begin = strings.Repeat(" ", indent)
		}
		fmt.Fprintln(w, strings.TrimRight(begin+part, " "))
	}
}
