// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/term"

	"bpflab/harness"
	"bpflab/harness/host/figure"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/report"
	"bpflab/harness/host/visible"
	"bpflab/vm/kernels"
)

const formats = "text, html, json or junit"

// scored is a graded submission.
type scored struct {
	lab     *harness.Lab
	receipt *receipt.Receipt
	result  judge.Result
	from    string   // folder of the submission, if it is not the clone's
	change  string   // of the score since the last grade
	notes   []string // what a reader must know of the score
	// expensive says which lines the cost of a run is in, if that lost points.
	expensive string
}

// show writes a graded submission, and its figures into the folder plots if one is named, and
// returns how the command ends.
func (g scored) show(write func(report.Report) error, plots string) error {
	r := g.report()
	if plots != "" {
		if err := draw(r.Figures, plots); err != nil {
			return fmt.Errorf("write the plots: %w", err)
		}
	}
	err := write(r)
	switch {
	case err != nil:
		return fmt.Errorf("write the report: %w", err)
	case !g.result.Complete:
		return &exit{code: exitInfra}
	case !g.result.Passed():
		return &exit{code: exitFailed}
	}
	return nil
}

// report is all that there is to say of it.
func (g scored) report() report.Report {
	lab, r, result, notes := g.lab, g.receipt, g.result, g.notes
	var figures []figure.Figure
	if lab.Figures != nil {
		figures = lab.Figures(r.Cases())
	}
	if n, all := len(r.Kernels), len(kernels.Since(lab.Needs.Oldest)); n < all {
		notes = append([]string{fmt.Sprintf("graded on %d of %d kernels", n, all)}, notes...)
	}
	env := maps.Clone(r.Tools)
	if env == nil {
		env = map[string]string{}
	}
	env["seed"], env["digest"] = fmt.Sprint(r.Submission.Seed), r.Digest
	var refused *report.Refusal
	if r.Refused != nil {
		refused = &report.Refusal{Reason: r.Refused.Reason, Details: r.Refused.Details}
	}
	return report.Report{
		Lab: lab.Name, Title: lab.Title, File: r.Submission.File, SourceSHA256: r.Submission.SHA256,
		Program: r.Submission.Program, ProgramSHA256: r.Submission.ProgramSHA256,
		Result: result, Refused: refused, Environment: env, Figures: figures, Notes: notes,
		Change: g.change, Next: g.next(), Of: of(lab, g.from),
	}
}

// next says what to do after a grade: a paragraph each.
func (g scored) next() []string {
	paragraphs := next(g.lab, g.from, g.receipt, g.result)
	if g.expensive != "" {
		paragraphs = append([]string{g.expensive}, paragraphs...)
	}
	return paragraphs
}

const plotsUsage = "folder to draw what was measured into, as SVG"

func draw(figures []figure.Figure, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, f := range figures {
		if err := writeFile(filepath.Join(folder, f.Name()+".svg"), f.SVG); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a file whole or not at all.
func writeFile(name string, write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	return renameio.WriteFile(name, text.Bytes(), 0o644, renameio.WithTempDir(filepath.Dir(name)))
}

// writer returns what writes a report in a format; in text, with all details or the usual ones.
func writer(format string, w io.Writer, details bool) (func(report.Report) error, error) {
	switch format {
	case "text":
		return func(r report.Report) error {
			return r.Text(w, report.Style{Width: width(w), Colour: coloured(w), Details: details})
		}, nil
	case "html":
		return func(r report.Report) error { return r.HTML(w) }, nil
	case "json":
		return func(r report.Report) error { return r.JSON(w) }, nil
	case "junit":
		return func(r report.Report) error { return r.JUnit(w) }, nil
	}
	return nil, fmt.Errorf("--format is "+formats+", not %q", format)
}

const detailsUsage = "show all messages and evidence, however long, of every kernel"

func coloured(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// width is how many columns a terminal has, or 0 if w is none.
func width(w io.Writer) int {
	f, ok := visible.Trusted(w).(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

func isTerminal(w io.Writer) bool {
	f, ok := visible.Trusted(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
