// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/build"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/record"
	"bpflab/harness/host/report"
	"bpflab/harness/host/visible"
	"bpflab/runner"
	"bpflab/vm/kernels"
)

// state is a submission as it is at one moment.
type state struct {
	folder, content string
	files           []record.File
}

func stateOf(source runner.Submission) (s state, err error) {
	if s.folder, err = filepath.Abs(filepath.Dir(source.BPF)); err != nil {
		return s, err
	}
	if s.content, err = source.Sum(); err != nil {
		return s, err
	}
	paths, err := source.All()
	if err != nil {
		return s, err
	}
	for _, path := range paths {
		text, err := build.ReadFile(path)
		if err != nil {
			return s, err
		}
		s.files = append(s.files, record.File{Name: filepath.Base(path), Text: text})
	}
	return s, nil
}

// remember adds a grade to the user's record, and says how it compares with the grade of the same folder on
// the same kernels before it; nothing without one. A submission that never came to run is compared with none.
func remember(lab *harness.Lab, s state, r *receipt.Receipt, result judge.Result) (change string, err error) {
	g := record.Grade{
		Time: time.Now(), Folder: s.folder, Content: s.content, Score: result.Score, MaxScore: result.MaxScore,
		Complete: result.Complete, Passed: result.Passed(), All: true, Refused: r.Refused != nil,
	}
	for _, n := range result.Left() {
		g.Left = append(g.Left, n+1)
	}
	for _, k := range r.Kernels {
		g.Kernels = append(g.Kernels, k.Name)
	}
	for _, name := range kernels.Since(lab.Needs.Oldest) {
		g.All = g.All && slices.Contains(g.Kernels, name)
	}
	rec := record.Of(lab.Name)
	before, err := rec.Grades(s.folder)
	if err != nil {
		return "", err
	}
	last := "the last grade"
	for _, old := range slices.Backward(before) {
		if old.Refused || !old.Complete {
			continue // it has no score to compare with
		}
		if slices.Equal(old.Kernels, g.Kernels) && g.Complete && !g.Refused {
			change = compared(old.Score, g.Score, last)
			break
		}
		last = "the last grade on these kernels" // a later one was of others
	}
	var text bytes.Buffer
	if err := r.Write(&text); err != nil {
		return change, err
	}
	return change, rec.Add(g, text.Bytes(), s.files)
}

// compared says how two scores compare, of which the first is that of a grade.
func compared(before, now float64, grade string) string {
	if before == now {
		return "the same as in " + grade
	}
	return fmt.Sprintf("%+.1f since %s", now-before, grade)
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the labs: your best and last score in each, and what is left to do",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd.OutOrStdout(), time.Now())
		},
	}
}

// list writes a row for each lab. best is that of grades on all kernels: what a lab is worth.
func list(w io.Writer, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "lab\tbest\tlast\twhen\ttasks left\ttitle")
	for _, lab := range labs {
		folder, err := runner.Folder(lab, "")
		if err != nil {
			return &exit{exitUsage, err}
		}
		grades, err := record.Of(lab.Name).Grades(folder)
		if err != nil {
			return err
		}
		best, last, when, tasks := "-", "-", "not graded yet", "-"
		most := -1.0
		for i, g := range grades {
			if g.All && g.Complete && !g.Refused && g.Score > most {
				most = g.Score
				best = report.Points(g.Score)
			}
			if i < len(grades)-1 {
				continue
			}
			when = since(now.Sub(g.Time))
			switch last = report.Points(g.Score); {
			case !g.Complete:
				last = "error"
			case g.Refused:
				last = "not run"
			case !g.All:
				last += " on " + strings.Join(g.Kernels, ", ")
			}
			switch tasks = "none"; {
			case len(g.Left) > 0:
				tasks = numbers(g.Left)
			case !g.All:
				tasks = "the other kernels"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", lab.Name, best, visible.Line(last), when, tasks, lab.Title)
	}
	return t.Flush()
}

func numbers(list []int) string {
	var words []string
	for _, n := range list {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ", ")
}

// since is how long ago something was, in the largest unit that fits.
func since(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int(d / u.unit); n == 1 {
			return "1 " + u.name + " ago"
		} else if n > 1 {
			return fmt.Sprintf("%d %ss ago", n, u.name)
		}
	}
	return "just now"
}

func resetCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "reset LAB",
		Short: "Bring a lab's starter back, and keep what was there",
		Long: `Bring the files of a lab back to what they were in the beginning. What was there is kept, and the
command says where.`,
		Args: labArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			lab, err := harness.Find(labs, args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			return reset(cmd.OutOrStdout(), lab, from, time.Now())
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "folder of the submission (default: labs/LAB of the clone)")
	return cmd
}

func reset(w io.Writer, lab *harness.Lab, from string, now time.Time) error {
	folder, err := runner.Folder(lab, from)
	if err != nil {
		return &exit{exitUsage, err}
	}
	var replaced, starter []record.File
	for _, name := range lab.Files() {
		text, err := fs.ReadFile(lab.Starter, "starter/"+name)
		if err != nil {
			return fmt.Errorf("read the starter of %s: %w", lab.Name, err)
		}
		path := filepath.Join(folder, name)
		there, err := build.ReadFile(path)
		if err == nil && bytes.Equal(there, text) {
			continue
		}
		starter = append(starter, record.File{Name: path, Text: text})
		switch {
		case err == nil:
			replaced = append(replaced, record.File{Name: name, Text: there})
		case !errors.Is(err, fs.ErrNotExist):
			return &exit{exitUsage, fmt.Errorf("keep what is there: %w", err)}
		}
	}
	if len(starter) == 0 {
		fmt.Fprintf(w, "%s is the starter already: nothing to do\n", visible.Line(folder))
		return nil
	}
	kept := ""
	if len(replaced) > 0 {
		if kept, err = record.Of(lab.Name).Keep(now, replaced); err != nil {
			return fmt.Errorf("keep what is there, and so nothing was changed: %w", err)
		}
	}
	for _, f := range starter {
		if err := renameio.WriteFile(f.Name, f.Text, 0o644, renameio.WithTempDir(folder)); err != nil {
			return fmt.Errorf("write the starter: %w", err)
		}
		fmt.Fprintf(w, "%s is the starter again\n", visible.Line(f.Name))
	}
	if kept != "" {
		fmt.Fprintf(w, "what was there is kept in %s\n", visible.Line(kept))
	}
	return nil
}
