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

// show writes a graded submission, and its figures into the folder plots if one is named, and
// returns how the command ends. notes are what a reader must know of the score.
func show(write func(report.Report) error, lab *harness.Lab, r *receipt.Receipt, result judge.Result, plots string, notes ...string) error {
	var figures []figure.Figure
	if lab.Figures != nil {
		figures = lab.Figures(r.Cases())
	}
	if plots != "" {
		if err := draw(figures, plots); err != nil {
			return fmt.Errorf("write the plots: %w", err)
		}
	}
	if n, all := len(r.Kernels), len(kernels.Since(lab.Needs.Oldest)); n < all {
		notes = append([]string{fmt.Sprintf("%d of %d kernels", n, all)}, notes...)
	}
	env := maps.Clone(r.Tools)
	if env == nil {
		env = map[string]string{}
	}
	env["seed"], env["digest"] = fmt.Sprint(r.Submission.Seed), r.Digest
	err := write(report.Report{
		Lab: lab.Name, Title: lab.Title, File: r.Submission.File, SourceSHA256: r.Submission.SHA256,
		Program: r.Submission.Program, ProgramSHA256: r.Submission.ProgramSHA256,
		Result: result, Environment: env, Figures: figures, Notes: notes,
	})
	switch {
	case err != nil:
		return fmt.Errorf("write the report: %w", err)
	case !result.Complete:
		return &exit{code: exitInfra}
	case !result.Passed():
		return &exit{code: exitFailed}
	}
	return nil
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

// writer returns what writes a report in a format.
func writer(format string, w io.Writer) (func(report.Report) error, error) {
	switch format {
	case "text":
		return func(r report.Report) error {
			return r.Text(w, isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
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

func isTerminal(w io.Writer) bool {
	f, ok := visible.Trusted(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
