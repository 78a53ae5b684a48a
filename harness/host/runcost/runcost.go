// SPDX-License-Identifier: Apache-2.0

// Package runcost shows what a run of each of many programs costs on several kernels, and reads what they are run on:
// captures of packets, and entries of maps.
package runcost

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"bpflab/harness/host/survey"
	"bpflab/harness/host/table"
	"bpflab/harness/host/visible"
	"bpflab/harness/job"
)

// Costs are those of a survey whose programs were run on frames.
type Costs struct {
	survey.Survey
	Input  string   // what the frames are
	Frames []string // what each of them is, in a few words
	// Context is what programs are run on that take a context; empty: NoContext.
	Context string
}

// NoContext is the context where nobody gives another.
const NoContext = "a TCP connection to port 80 (sk_lookup) or zeros (syscall)"

// Cost is what runs cost, in instructions over an empty program of the same type.
type Cost struct {
	Mean  float64 // of the frames, each the median of its runs; or of the runs at events
	Least int64   // of a frame
	Most  int64   // of a frame
	Runs  int     // frames, or runs at events
}

// Of sums up the runs on frames that keep is true for.
func Of(runs []job.FrameRun, keep func(frame int, run job.FrameRun) bool) (c Cost) {
	sum := int64(0)
	for i, r := range runs {
		if r.Refused || !keep(i, r) {
			continue
		}
		if c.Runs == 0 {
			c.Least, c.Most = r.Cost, r.Cost
		}
		c.Runs++
		sum += r.Cost
		c.Least, c.Most = min(c.Least, r.Cost), max(c.Most, r.Cost)
	}
	if c.Runs > 0 {
		c.Mean = float64(sum) / float64(c.Runs)
	}
	return c
}

func all(int, job.FrameRun) bool { return true }

// OfProgram sums up all runs of a program on a kernel: on frames, or at events.
func OfProgram(l job.Loaded) Cost {
	if l.Events != nil {
		return Cost{Mean: l.Events.Cost, Runs: int(l.Events.Count)}
	}
	return Of(l.Runs, all)
}

// Ran reports whether all programs were run on all kernels, and complete whether each could be judged.
func (c Costs) Ran() (ran, complete bool) {
	_, complete = c.Sound()
	ran = true
	for _, f := range c.Files {
		ran = ran && f.Broken == ""
		for _, p := range f.Programs {
			for _, l := range p.On {
				ran = ran && OfProgram(l).Runs > 0
			}
		}
	}
	return ran, complete
}

// results are the names of what programs return, by type.
var results = map[string][]string{
	"XDP":          {"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"},
	"SchedCLS":     {"TC_ACT_OK", "TC_ACT_RECLASSIFY", "TC_ACT_SHOT", "TC_ACT_PIPE", "TC_ACT_STOLEN", "TC_ACT_QUEUED", "TC_ACT_REPEAT", "TC_ACT_REDIRECT"},
	"SchedACT":     {"TC_ACT_OK", "TC_ACT_RECLASSIFY", "TC_ACT_SHOT", "TC_ACT_PIPE", "TC_ACT_STOLEN", "TC_ACT_QUEUED", "TC_ACT_REPEAT", "TC_ACT_REDIRECT"},
	"CGroupSKB":    {"drop", "pass"},
	"SocketFilter": {"drop"},
}

// result names what a program of a type returned.
func result(kind string, value uint32) string {
	names := results[kind]
	switch {
	case int(value) < len(names):
		return names[value]
	case strings.HasPrefix(kind, "Sched") && value == math.MaxUint32:
		return "TC_ACT_UNSPEC"
	}
	return "returns " + strconv.FormatUint(uint64(value), 10)
}

// Text writes the costs for people: a row for each program and, where its runs differ, for each of its results; with byFrame
// for each kind of frame as well. columns is how wide the table may be; 0: as wide as it is.
func (c Costs) Text(w io.Writer, columns int, byFrame bool) error {
	var out strings.Builder
	rows := []table.Row{{Cells: c.Kernels}}
	for _, f := range c.Files {
		if f.Broken != "" {
			continue
		}
		rows = append(rows, table.Row{Name: visible.Line(f.Name)})
		for _, p := range f.Programs {
			rows = append(rows, table.Row{Name: "  " + visible.Line(p.Name), Cells: c.cells(p, all)})
			rows = append(rows, c.split(p, byFrame)...)
		}
	}
	if len(rows) > 1 {
		table.Write(&out, rows, columns)
		c.footer(&out)
	}
	for _, n := range c.Notes() {
		out.WriteString("\n" + n + "\n")
	}
	_, err := io.WriteString(w, strings.TrimPrefix(out.String(), "\n"))
	return err
}

// footer says what the figures are.
func (c Costs) footer(w io.Writer) {
	frames, contexts, events := false, false, false
	for _, f := range c.Files {
		for _, p := range f.Programs {
			for _, l := range p.On {
				frames, contexts, events = frames || len(l.Runs) > 0 && !l.OnContext, contexts || l.OnContext, events || l.Events != nil
			}
		}
	}
	fmt.Fprint(w, "\ninstructions a run, over a program that does nothing")
	if frames {
		fmt.Fprintf(w, "; the mean of %s: %s", english.Plural(len(c.Frames), "frame", ""), c.Input)
	}
	if contexts {
		fmt.Fprintf(w, "; of programs that take a context, a run on %s", cmp.Or(c.Context, NoContext))
	}
	if events {
		fmt.Fprint(w, "; of programs that run at events, a run that system calls of many kinds bring about")
	}
	fmt.Fprintln(w)
}

// cells are what a program's runs on some frames cost on each kernel.
func (c Costs) cells(p survey.Program, keep func(int, job.FrameRun) bool) (cells []string) {
	for _, l := range p.On {
		cost := Of(l.Runs, keep)
		if l.Events != nil {
			cost = OfProgram(l)
		}
		switch {
		case cost.Runs > 0:
			cells = append(cells, strconv.FormatFloat(cost.Mean, 'f', 1, 64))
		case l.Runs == nil && l.Accepted:
			cells = append(cells, "-")
		case l.Runs == nil:
			cells = append(cells, survey.Cell(l))
		default:
			cells = append(cells, "")
		}
	}
	return cells
}

// maxResults is of how many results each has a row.
const maxResults = 8

// split are rows for the results of a program, and for kinds of frames, where there are several.
func (c Costs) split(p survey.Program, byFrame bool) (rows []table.Row) {
	frames := map[string]int{} // on the first kernel that has run it
	var order []string
	kind := "" // of program: one that could not be loaded somewhere has none there
	for _, l := range p.On {
		kind = cmp.Or(kind, l.Type)
		for _, r := range l.Runs {
			name := result(l.Type, r.Result)
			if r.Refused || l.OnContext || slices.Contains(order, name) {
				continue
			}
			order = append(order, name)
			frames[name] = Of(l.Runs, func(_ int, other job.FrameRun) bool { return other.Result == r.Result }).Runs
		}
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(frames[b], frames[a]) })
	if len(order) > 1 && len(order) <= maxResults { // else they are numbers, such as a frame's length
		for _, name := range order {
			rows = append(rows, table.Row{Name: fmt.Sprintf("    %s, %s", name, english.Plural(frames[name], "frame", "")), Cells: c.cells(p, func(_ int, r job.FrameRun) bool { return result(kind, r.Result) == name })})
		}
	}
	if !byFrame || len(order) == 0 { // or it was not run on frames
		return rows
	}
	var kinds []string
	for _, kind := range c.Frames {
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		cells := c.cells(p, func(frame int, _ job.FrameRun) bool { return frame < len(c.Frames) && c.Frames[frame] == kind })
		if strings.Join(cells, "") != "" {
			rows = append(rows, table.Row{Name: "    " + visible.Line(kind), Cells: cells})
		}
	}
	return rows
}

// WhyNot says why a program was not run on a kernel; it is empty for one that was.
func WhyNot(l job.Loaded) string {
	switch v := survey.VerdictOf(l); {
	case l.Error != "":
		return "not judged: " + l.Error
	case v == survey.Lacks:
		return l.Lacks
	case v == survey.NoTarget:
		return "not run: " + l.NoTarget
	case v == survey.Rejected:
		return "rejected: " + l.Message + "; bpflab explain says more"
	case l.NotRun != "":
		return "not run: " + l.NotRun
	}
	return ""
}

// Notes are what figures have no room for: of each file why nothing of it could be loaded, and of each program why it was
// not run.
func (c Costs) Notes() (notes []string) {
	for _, f := range c.Files {
		if f.Broken != "" {
			notes = append(notes, visible.Quote(f.Broken))
		}
		if f.Note != "" {
			notes = append(notes, visible.Line(f.Name+": "+f.Note))
		}
		for _, p := range f.Programs {
			notes = append(notes, c.notes(f.Name, p)...)
		}
	}
	return notes
}

// notes are what a table has no room for: why a program was not run, and which frames a kernel has refused.
func (c Costs) notes(file string, p survey.Program) (notes []string) {
	by := map[string][]string{} // kernels
	var order []string
	note := func(kernel, text string) {
		if by[text] == nil {
			order = append(order, text)
		}
		by[text] = append(by[text], kernel)
	}
	for i, l := range p.On {
		if why := WhyNot(l); why != "" {
			note(c.Kernels[i], why)
		}
		refused := 0
		for _, r := range l.Runs {
			if r.Refused {
				refused++
			}
		}
		if refused > 0 {
			note(c.Kernels[i], fmt.Sprintf("refuses %d of %d frames, which are too short or too long for a test run", refused, len(l.Runs)))
		}
	}
	for _, text := range order {
		notes = append(notes, fmt.Sprintf("%s: %s\n  %s: %s", visible.Line(file), visible.Line(p.Name), strings.Join(by[text], ", "), visible.Line(text)))
	}
	return notes
}

// Against writes, for each program that another survey has too, what it costs there and here, and the difference.
func (c Costs) Against(w io.Writer, columns int, other survey.Survey) error {
	before := map[string]survey.Program{}
	rows := []table.Row{{Cells: c.Kernels}}
	var missing []string
	for _, f := range other.Files {
		if f.Broken != "" {
			missing = append(missing, visible.Quote(f.Broken))
		}
		for _, p := range f.Programs {
			before[p.Name] = p
		}
	}
	for _, f := range c.Files {
		if f.Broken != "" {
			missing = append(missing, visible.Quote(f.Broken))
		}
		for _, p := range f.Programs {
			b, ok := before[p.Name]
			if !ok {
				missing = append(missing, visible.Line(f.Name+": "+p.Name)+" is not in the other object")
				continue
			}
			missing = append(append(missing, c.notes("before", b)...), c.notes("after", p)...)
			rows = append(rows, table.Row{Name: visible.Line(p.Name)}, table.Row{Name: "  before", Cells: c.cells(b, all)}, table.Row{Name: "  after", Cells: c.cells(p, all)})
			var cells []string
			for i := range c.Kernels {
				was, is := OfProgram(b.On[i]), OfProgram(p.On[i])
				cell := ""
				if was.Runs > 0 && is.Runs > 0 {
					cell = fmt.Sprintf("%+.1f", is.Mean-was.Mean)
				}
				cells = append(cells, cell)
			}
			rows = append(rows, table.Row{Name: "  difference", Cells: cells})
		}
	}
	var out strings.Builder
	if len(rows) > 1 {
		table.Write(&out, rows, columns)
		c.footer(&out)
	}
	for _, m := range missing {
		out.WriteString(m + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// Go writes the costs as Go's benchmarks do, for benchstat, which is told that they are exact. Names have the file's only
// where there are several files: the programs of two objects can be compared.
func (c Costs) Go(w io.Writer) error {
	if _, err := fmt.Fprintln(w, "Unit insns/op assume=exact better=lower"); err != nil {
		return err
	}
	for _, f := range c.Files {
		for _, p := range f.Programs {
			name := p.Name
			if len(c.Files) > 1 {
				name = f.Name + "/" + name
			}
			name = strings.Join(strings.Fields(visible.Line(name)), "_") // a name has no spaces
			for i, l := range p.On {
				if cost := OfProgram(l); cost.Runs > 0 {
					if _, err := fmt.Fprintf(w, "BenchmarkBPF/%s/kernel=%s\t%d\t%.1f insns/op\n", name, c.Kernels[i], cost.Runs, cost.Mean); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// Broken are the files of which nothing could be loaded, and why.
func (c Costs) Broken() map[string]string {
	all := map[string]string{}
	for _, f := range c.Files {
		if f.Broken != "" {
			all[f.Name] = f.Broken
		}
	}
	return all
}

// JSON writes the costs for programs.
func (c Costs) JSON(w io.Writer) error {
	type on struct {
		Kernel  string         `json:"kernel"`
		Verdict survey.Verdict `json:"outcome"`
		Mean    float64        `json:"mean"`  // instructions a run
		Least   int64          `json:"least"` // of a frame
		Most    int64          `json:"most"`  // of a frame
		Count   int            `json:"count"` // frames that it was run on, or runs at events
		NotRun  string         `json:"not_run,omitempty"`
		Runs    []job.FrameRun `json:"runs,omitempty"` // in the order of the frames
	}
	type program struct {
		File    string `json:"file_name"`
		Program string `json:"prog_name"`
		Type    string `json:"prog_type"`
		Kernels []on   `json:"kernels"`
	}
	out := struct {
		Input    string            `json:"input"`
		Frames   []string          `json:"frames"`
		Programs []program         `json:"programs"`
		Broken   map[string]string `json:"broken,omitempty"` // files of which nothing could be loaded, and why
	}{c.Input, c.Frames, []program{}, c.Broken()}
	for _, f := range c.Files {
		for _, p := range f.Programs {
			one := program{File: f.Name, Program: p.Name}
			for i, l := range p.On {
				cost := OfProgram(l)
				one.Type = cmp.Or(one.Type, l.Type)
				one.Kernels = append(one.Kernels, on{c.Kernels[i], survey.VerdictOf(l), cost.Mean, cost.Least, cost.Most, cost.Runs, l.NotRun, l.Runs})
			}
			out.Programs = append(out.Programs, one)
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
