// SPDX-License-Identifier: Apache-2.0

package survey

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"bpflab/harness/host/explain"
	"bpflab/harness/host/visible"
	"bpflab/harness/verifier"
)

// Row is a program on a kernel. Its fields have the names that veristat uses, where it has them.
type Row struct {
	File    string `json:"file_name"`
	Program string `json:"prog_name"`
	Kernel  string `json:"kernel"`
	Verdict string `json:"verdict"` // "success" or "failure", as veristat says; "" where no kernel has judged it
	verifier.Stats
	Outcome Verdict       `json:"outcome"`
	Kind    string        `json:"kind,omitempty"` // of the rejection
	Message string        `json:"message,omitempty"`
	Source  string        `json:"source,omitempty"`
	Meaning string        `json:"meaning,omitempty"`
	Missing string        `json:"missing,omitempty"` // and what the kernel has in place of it
	Try     string        `json:"try,omitempty"`
	Log     []string      `json:"log,omitempty"`
	Path    *explain.Path `json:"path,omitempty"` // with Detail.States
}

// Rows are all programs on all kernels, file by file.
func (s Survey) Rows() (rows []Row) {
	for _, f := range s.Files {
		if f.Broken != "" {
			for _, k := range s.Kernels {
				rows = append(rows, Row{File: f.Name, Kernel: k, Outcome: "broken", Message: f.Broken})
			}
		}
		for _, p := range f.Programs {
			for i, l := range p.On {
				r := Row{File: f.Name, Program: p.Name, Kernel: s.Kernels[i], Stats: l.Stats, Outcome: VerdictOf(l)}
				r.Message, r.Source, r.Missing, r.Log = l.Message, l.Source, l.Missing, l.Log
				switch r.Outcome {
				case Accepted, NoTarget:
					r.Verdict, r.Message = "success", l.NoTarget
				case Rejected:
					r.Verdict = "failure"
					if s.Detail.Full && l.Whole != nil {
						r.Log = l.Whole.Text()
					}
					if p, ok := explain.PathOf(l.Report); ok && s.Detail.States {
						r.Path = &p
					}
					e, _ := explanation(l)
					r.Kind, r.Meaning, r.Try = e.Kind, e.Meaning, e.Try
				case Lacks:
					r.Message = l.Lacks
				case NotJudged:
					r.Message = l.Error
				}
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// JSON writes the rows for programs.
func (s Survey) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Programs []Row `json:"programs"`
	}{s.Rows()})
}

// figures are the columns of numbers, by veristat's names.
var figures = []struct {
	name string
	of   func(*verifier.Stats) *int
}{
	{"total_insns", func(s *verifier.Stats) *int { return &s.Processed }},
	{"total_states", func(s *verifier.Stats) *int { return &s.TotalStates }},
	{"peak_states", func(s *verifier.Stats) *int { return &s.PeakStates }},
	{"max_states_per_insn", func(s *verifier.Stats) *int { return &s.MaxStatesPerInsn }},
	{"max_mark_read_len", func(s *verifier.Stats) *int { return &s.MarkRead }},
	{"stack_depth", func(s *verifier.Stats) *int { return &s.StackDepth }},
}

// CSV writes the programs that kernels have judged, as veristat does with -o csv and these columns; of several
// kernels there is a column "kernel" in front, which veristat does not have.
func (s Survey) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"file_name", "prog_name", "verdict"}
	for _, f := range figures {
		head = append(head, f.name)
	}
	if len(s.Kernels) > 1 {
		head = append([]string{"kernel"}, head...)
	}
	_ = out.Write(head) // Flush keeps the error
	for _, r := range s.Rows() {
		if r.Verdict == "" {
			continue
		}
		line := []string{filepath.Base(r.File), r.Program, r.Verdict}
		for _, f := range figures {
			line = append(line, strconv.Itoa(*f.of(&r.Stats)))
		}
		if len(s.Kernels) > 1 {
			line = append([]string{r.Kernel}, line...)
		}
		_ = out.Write(line)
	}
	out.Flush()
	return out.Error()
}

// ReadCSV reads what CSV or veristat wrote. Of a file without kernels the rows have none.
func ReadCSV(r io.Reader) ([]Row, error) {
	in := csv.NewReader(r)
	head, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("expected a line of column names: %w", err)
	}
	for _, want := range []string{"file_name", "prog_name", "verdict"} {
		if !slices.Contains(head, want) {
			return nil, fmt.Errorf("expected a column %q, found %q: write the file with bpflab explain --format csv, or veristat -o csv", want, strings.Join(head, ","))
		}
	}
	lines, err := in.ReadAll()
	if err != nil {
		return nil, err
	}
	var rows []Row
	for i, line := range lines {
		var row Row
		for n, cell := range line {
			switch head[n] {
			case "file_name":
				row.File = cell
			case "prog_name":
				row.Program = cell
			case "kernel":
				row.Kernel = cell
			case "verdict":
				row.Verdict = cell
			}
			for _, f := range figures {
				if f.name != head[n] || cell == "N/A" {
					continue
				}
				if *f.of(&row.Stats), err = strconv.Atoi(cell); err != nil {
					return nil, fmt.Errorf("line %d, %s: expected a number, found %q", i+2, head[n], cell)
				}
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Compare writes how the programs' figures differ from those of older rows, which are found by file, program and kernel.
// Programs that are as they were are only counted.
func (s Survey) Compare(w io.Writer, old []Row) error {
	type key struct{ file, program, kernel string }
	before := map[key]Row{}
	for _, r := range old {
		before[key{filepath.Base(r.File), r.Program, r.Kernel}] = r
	}
	rows := [][]string{{"program", "kernel", "verdict", "insns", "states"}}
	same, judged := 0, 0
	for _, r := range s.Rows() {
		if r.Verdict == "" {
			continue
		}
		judged++
		k := key{filepath.Base(r.File), r.Program, r.Kernel}
		b, ok := before[k]
		if !ok && len(s.Kernels) == 1 {
			b, ok = before[key{k.file, k.program, ""}]
		}
		name := visible.Line(filepath.Base(r.File) + ": " + r.Program)
		delete(before, k)
		delete(before, key{k.file, k.program, ""})
		switch {
		case !ok:
			rows = append(rows, []string{name, r.Kernel, "new: " + r.Verdict, strconv.Itoa(r.Processed), strconv.Itoa(r.TotalStates)})
		case b.Verdict == r.Verdict && b.Processed == r.Processed && b.TotalStates == r.TotalStates:
			same++
		default:
			verdict := r.Verdict
			if b.Verdict != r.Verdict {
				verdict = visible.Line(b.Verdict) + " → " + r.Verdict
			}
			rows = append(rows, []string{name, r.Kernel, verdict, change(b.Processed, r.Processed), change(b.TotalStates, r.TotalStates)})
		}
	}
	for k := range before {
		rows = append(rows, []string{visible.Line(k.file + ": " + k.program), visible.Line(k.kernel), "gone", "", ""})
	}
	slices.SortFunc(rows[1:], func(a, b []string) int { return slices.Compare(a[:2], b[:2]) })
	var out strings.Builder
	if len(rows) > 1 {
		wide := make([]int, len(rows[0]))
		for _, row := range rows {
			for i, cell := range row {
				wide[i] = max(wide[i], ansi.StringWidth(cell))
			}
		}
		for _, row := range rows {
			line := ""
			for i, cell := range row {
				line += cell + strings.Repeat(" ", wide[i]-ansi.StringWidth(cell)+2)
			}
			out.WriteString(strings.TrimRight(line, " ") + "\n")
		}
		out.WriteString("\n")
	}
	fmt.Fprintf(&out, "%d of %d programs on kernels as before\n", same, judged)
	_, err := io.WriteString(w, out.String())
	return err
}

// change is two numbers, and by how much the second is more.
func change(a, b int) string {
	if a == b {
		return strconv.Itoa(b)
	}
	percent := "new"
	if a != 0 {
		percent = fmt.Sprintf("%+.1f%%", 100*float64(b-a)/float64(a))
	}
	return fmt.Sprintf("%d → %d (%s)", a, b, percent)
}
