// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/visible"
)

// Style is how a report is written for people.
type Style struct {
	Width   int  // columns, at least 50; 0: no terminal's: 80, and evidence is not wrapped
	Colour  bool // of what became of tasks
	Details bool // all that there is, however long
	Marked  int  // the task, from 1, that is marked in the table; 0: none
}

const (
	minWidth    = 50
	usualWidth  = 80
	maxEvidence = 24 // lines of a task's evidence, unless all of it is wanted
)

// Text writes the report for people: a line for each task, a column for each kernel, then what was found and
// what to do next. No line is longer than a terminal that the style names is wide. Nothing that a submission, a guest
// or a receipt says is written as it is: w may be a terminal.
func (r Report) Text(w io.Writer, style Style) error {
	t := text{Style: style, wrapsEvidence: style.Width != 0}
	if style.Width == 0 {
		t.Width = usualWidth
	}
	t.Width = max(t.Width, minWidth)
	r = r.clean()
	t.head(r)
	switch {
	case r.Refused != nil:
		t.hang("", "nothing was run: "+r.Refused.Reason)
		t.quote(r.Refused.Details)
		t.printf("\nscore %s/%s", Points(r.Result.Score), Points(r.Result.MaxScore))
		t.change(r)
	case len(r.Result.Kernels) > 0:
		t.table(r)
		t.findings(r.Result)
	}
	t.next(r)
	if len(r.Figures) > 0 {
		t.printf("\n")
		r.Figures[0].Text(visible.NewWriter(&t), t.Width)
	}
	for i, note := range r.Notes {
		if i == 0 {
			t.printf("\n")
		}
		t.hang("note: ", note)
	}
	_, err := io.WriteString(visible.Trusted(w), t.String())
	return err
}

// next writes what to do now.
func (t *text) next(r Report) {
	for _, paragraph := range r.Next {
		t.printf("\n")
		for line := range strings.Lines(paragraph) {
			item, listed := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "- ")
			prefix := ""
			if listed {
				prefix = "- "
			}
			t.hang(prefix, item)
		}
	}
}

// clean is the report with each text of others made harmless: one line, in which nothing is
// hidden; details stay as many lines as they are.
func (r Report) clean() Report {
	for _, field := range []*string{&r.Lab, &r.Title, &r.File, &r.SourceSHA256, &r.Program, &r.ProgramSHA256, &r.Change, &r.Of} {
		*field = visible.Line(*field)
	}
	if r.Refused != nil {
		r.Refused = &Refusal{visible.Line(r.Refused.Reason), cleanLines(r.Refused.Details)}
	}
	kernels := r.Result.Kernels
	r.Result.Kernels = nil
	for _, k := range kernels {
		k.Name, k.Release = visible.Line(k.Name), visible.Line(k.Release)
		tasks := k.Tasks
		k.Tasks = nil
		for _, t := range tasks {
			first, rest, several := strings.Cut(t.Message, "\n")
			if t.Message = visible.Line(first); several && rest != "" {
				t.Message += " …"
			}
			t.Title, t.Cell, t.Status = visible.Line(t.Title), visible.Line(t.Cell), judge.Status(visible.Line(string(t.Status)))
			t.Details = cleanLines(t.Details)
			t.Measured.Unit, t.Target.Unit = visible.Line(t.Measured.Unit), visible.Line(t.Target.Unit)
			k.Tasks = append(k.Tasks, t)
		}
		r.Result.Kernels = append(r.Result.Kernels, k)
	}
	environment := r.Environment
	r.Environment = map[string]string{}
	for name, value := range environment {
		r.Environment[visible.Line(name)] = visible.Line(value)
	}
	notes := r.Notes
	r.Notes = nil
	for _, note := range notes {
		r.Notes = append(r.Notes, visible.Line(note))
	}
	paragraphs := r.Next
	r.Next = nil
	for _, paragraph := range paragraphs {
		r.Next = append(r.Next, strings.Join(visible.Lines(paragraph), "\n"))
	}
	return r
}

func cleanLines(details []string) (lines []string) {
	for _, detail := range details {
		lines = append(lines, visible.Lines(detail)...)
	}
	return lines
}

type text struct {
	strings.Builder
	Style
	wrapsEvidence bool
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(t, format, args...) }

// hang writes a paragraph behind a prefix, its lines after the first below the paragraph's own.
func (t *text) hang(prefix, paragraph string) {
	wide := ansi.StringWidth(prefix)
	for i, line := range strings.Split(Wrap(paragraph, t.Width-wide), "\n") {
		if i > 0 {
			prefix = strings.Repeat(" ", wide)
		}
		t.printf("%s\n", strings.TrimRight(prefix+strings.TrimLeft(line, " "), " "))
	}
}

// Wrap breaks a text between words, so that no line is wider than width, unless a word is. It breaks none at a
// hyphen, which paths, options and C have.
func Wrap(text string, width int) string {
	const noBreak = "\u2011"
	return strings.ReplaceAll(ansi.Wrap(strings.ReplaceAll(text, "-", noBreak), width, ""), noBreak, "-")
}

// quote writes lines of others, marked, so that none passes for a line of the report.
func (t *text) quote(lines []string) {
	left := 0
	if len(lines) > maxEvidence+1 && !t.Details {
		lines, left = lines[:maxEvidence], len(lines)-maxEvidence
	}
	for _, line := range lines {
		if !t.wrapsEvidence {
			t.printf("%s%s\n", visible.Mark, line)
			continue
		}
		line = strings.ReplaceAll(line, "\t", "    ")
		for _, part := range strings.Split(Wrap(line, t.Width-ansi.StringWidth(visible.Mark)), "\n") {
			t.printf("%s\n", strings.TrimRight(visible.Mark+part, " "))
		}
	}
	if left > 0 {
		t.printf("  %d more lines: --details\n", left)
	}
}

func (t *text) head(r Report) {
	lines := []string{r.Lab + "  " + r.Title, fmt.Sprintf("%s  %.7s", r.File, r.SourceSHA256)}
	if r.Program != "" {
		lines = append(lines, fmt.Sprintf("%s  %.7s", r.Program, r.ProgramSHA256))
	}
	if one := strings.Join(lines, "   "); ansi.StringWidth(one) <= t.Width {
		lines = []string{one}
	}
	for _, line := range lines {
		t.hang("", line)
	}
	t.printf("\n")
}

const (
	titleWidth    = 22
	minTitleWidth = 10
	pointsWidth   = 7
)

// table writes a row for each task. Where it is too wide, the gaps between columns and then the titles get
// narrower, and then the kernels are written in several tables.
func (t *text) table(r Report) {
	t.score(r, t.rows(r))
}

// rows writes the table without its score, and returns its width.
func (t *text) rows(r Report) (wide int) {
	kernels, least := r.Result.Kernels, r.Result.Lowest()
	widths := make([]int, len(kernels))
	for i, k := range kernels {
		widths[i] = min(ansi.StringWidth(k.Name), maxCell)
		for _, task := range k.Tasks {
			widths[i] = max(widths[i], min(ansi.StringWidth(cell(task)), maxCell))
		}
	}
	gap, title := 2, titleWidth
	total := func() (sum int) {
		sum = 3 + title + gap + pointsWidth
		for _, width := range widths {
			sum += gap + width
		}
		return sum
	}
	if total() > t.Width {
		gap = 1
		title = max(titleWidth-max(total()-t.Width, 0), minTitleWidth)
	}
	for first := 0; first < len(kernels); {
		last, room := first+1, t.Width-3-title-gap-widths[first]-gap-pointsWidth
		for last < len(kernels) && room >= gap+widths[last] {
			room -= gap + widths[last]
			last++
		}
		wide = t.columns(kernels[first:last], widths[first:last], least, gap, title)
		if first = last; first < len(kernels) {
			t.printf("\n")
		}
	}
	return wide
}

// score writes the score at the right end of so many columns.
func (t *text) score(r Report, wide int) {
	t.printf("%*s", wide, "score  "+Points(r.Result.Score)+"/"+Points(r.Result.MaxScore))
	t.change(r)
	if !r.Result.Complete {
		t.hang("", "provisional: some kernels could not be graded, which is not the submission's fault")
	}
}

// change ends the line of the score.
func (t *text) change(r Report) {
	if r.Change != "" {
		t.printf("\n%s", r.Change)
	}
	t.printf("\n")
}

// maxCell is what is shown of a cell or a kernel's name.
const maxCell = 16

// columns writes a table of some kernels, with the points of the one that decides, and returns its width.
func (t *text) columns(kernels []judge.KernelResult, widths []int, least judge.KernelResult, gap, title int) (wide int) {
	pad := func(word string, width int) string { return strings.Repeat(" ", max(width-ansi.StringWidth(word), 0)) }
	t.printf("%*s", 3+title, "")
	wide = 3 + title + gap + pointsWidth
	for i, k := range kernels {
		name := ansi.Truncate(k.Name, maxCell, "…")
		t.printf("%*s%s%s", gap, "", pad(name, widths[i]), name)
		wide += gap + widths[i]
	}
	t.printf("%*s%*s\n", gap, "", pointsWidth, "points")
	for n, task := range least.Tasks {
		name := ansi.Truncate(task.Title, title, "…")
		number := fmt.Sprintf("%2d", n+1)
		if n+1 == t.Marked {
			number = "▸" + number[1:]
		}
		t.printf("%s %s%s", number, name, pad(name, title))
		for i, k := range kernels {
			c := ansi.Truncate(cell(k.Tasks[n]), maxCell, "…")
			t.printf("%*s%s%s", gap, "", pad(c, widths[i]), t.paint(k.Tasks[n].Status, c))
		}
		earned := Points(task.Points)
		if pending(task) {
			earned = " "
		}
		t.printf("%*s%*s\n", gap, "", pointsWidth, earned+"/"+Points(task.MaxPoints))
	}
	return wide
}

// pending reports whether a task has no verdict yet.
func pending(t judge.TaskResult) bool { return t.Status == "" }

func cell(t judge.TaskResult) string {
	switch {
	case pending(t):
		return "…"
	case t.Cell != "":
		return t.Cell
	case t.Status == judge.Pass:
		return "ok"
	case t.Status == judge.Inconclusive:
		return "~"
	}
	return strings.ToUpper(string(t.Status))
}

// findings says of each task, by its number, what was found, and shows the evidence of what did not pass.
func (t *text) findings(r judge.Result) {
	apart := true // by an empty line: what has evidence, and the first
	tasks := len(r.Kernels[0].Tasks)
	for n := 0; n < tasks; n++ {
		said, all := message(r.Kernels, n), t.evidence(r.Kernels, n)
		if said == "" && len(all) == 0 {
			continue
		}
		last := n // of the tasks that wait for the same one
		for gated(r.Kernels, n) && last+1 < tasks && gated(r.Kernels, last+1) && message(r.Kernels, last+1) == said {
			last++
		}
		if apart || len(all) > 0 {
			t.printf("\n")
		}
		apart = len(all) > 0
		t.finding(n, last, t.messages(r.Kernels, n), all)
		n = last
	}
}

// finding writes what was found of task n, or of the tasks from n to last that wait for the same one.
func (t *text) finding(n, last int, said []string, all []evidence) {
	number := fmt.Sprintf("%2d ", n+1)
	if last > n {
		number = fmt.Sprintf("%2d to %d ", n+1, last+1)
	}
	for _, message := range said {
		t.hang(number, message)
		number = "   "
	}
	for _, e := range all {
		if len(all) > 1 {
			t.hang("   ", "on "+strings.Join(e.kernels, ", ")+":")
		}
		t.quote(e.lines)
		if e.differ {
			t.hang("  ", "on "+e.from+"; on the others alike: --details")
		}
	}
}

// gated reports whether all that kernels say of task n is that another one has to pass first.
func gated(kernels []judge.KernelResult, n int) bool {
	return !slices.ContainsFunc(kernels, func(k judge.KernelResult) bool { return !k.Tasks[n].Waits })
}

// evidence is what some kernels show of a task that did not pass there.
type evidence struct {
	message string
	kernels []string
	lines   []string
	from    string // the kernel of the lines
	differ  bool   // from those of another of them
}

// evidence lists what kernels show of task n: once where their messages differ in numbers only, even if the lines
// differ, such as those of two verifiers' logs. Where all of it is wanted, once where the lines are the same.
func (t *text) evidence(kernels []judge.KernelResult, n int) (list []evidence) {
	for _, k := range kernels {
		task := k.Tasks[n]
		if len(task.Details) == 0 || task.Status == judge.Pass {
			continue
		}
		i := slices.IndexFunc(list, func(e evidence) bool {
			return slices.Equal(e.lines, task.Details) || !t.Details && likeness(e.message) == likeness(task.Message)
		})
		if i < 0 {
			list = append(list, evidence{message: task.Message, lines: task.Details})
			i = len(list) - 1
		}
		list[i].kernels = append(list[i].kernels, k.Name)
		list[i].differ = list[i].differ || !slices.Equal(list[i].lines, task.Details)
		if e := &list[i]; e.message == task.Message { // word for word: a newer kernel's verifier says more
			e.lines, e.from = task.Details, k.Name
		}
	}
	return list
}

// likeness is a message without its numbers.
func likeness(message string) string { return numbers.ReplaceAllString(message, "0") }

var numbers = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)?`)

// message is what the kernels say of task n. Where they do not all say the same, the first
// with trouble speaks, with its name.
func message(kernels []judge.KernelResult, n int) string {
	same := true
	speaker := kernels[0]
	for _, k := range kernels {
		if k.Tasks[n].Message != kernels[0].Tasks[n].Message {
			same = false
		}
		if worse(k.Tasks[n], speaker.Tasks[n]) {
			speaker = k
		}
	}
	m := speaker.Tasks[n].Message
	if same || m == "" {
		return m
	}
	return speaker.Name + ": " + m
}

// messages are what kernels say of task n, of each message which do; unless all of it is wanted, only message.
func (t *text) messages(kernels []judge.KernelResult, n int) (list []string) {
	if !t.Details {
		return []string{message(kernels, n)}
	}
	said := map[string][]string{} // by message: the kernels
	var order []string
	for _, k := range kernels {
		m := k.Tasks[n].Message
		if said[m] == nil {
			order = append(order, m)
		}
		said[m] = append(said[m], k.Name)
	}
	for _, m := range order {
		switch {
		case m == "" && len(order) > 1:
		case len(order) == 1:
			list = append(list, m)
		default:
			list = append(list, Enumerate(said[m])+": "+m)
		}
	}
	return list
}

func worse(a, b judge.TaskResult) bool {
	if (a.Status == judge.Error) != (b.Status == judge.Error) {
		return a.Status == judge.Error
	}
	return a.Fraction < b.Fraction
}

// paint colours a status, where colour is wanted.
func (t *text) paint(s judge.Status, word string) string {
	if !t.Colour {
		return word
	}
	codes := map[judge.Status]string{judge.Pass: "32", judge.Partial: "33", judge.Fail: "31", judge.Error: "35"}
	if codes[s] == "" {
		return word
	}
	return "\x1b[" + codes[s] + "m" + word + "\x1b[0m"
}
