// SPDX-License-Identifier: Apache-2.0

// Package report writes a graded submission for people and for programs.
package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"bpflab/harness/host/figure"
	"bpflab/harness/host/judge"
)

// Report is a graded submission.
type Report struct {
	Lab, Title    string
	File          string // base name of the submission
	SourceSHA256  string
	Program       string // base name of the submission's Go program; empty if the lab has none
	ProgramSHA256 string
	Result        judge.Result
	Refused       *Refusal          // set: it never came to run
	Environment   map[string]string // what the grade was made with
	Figures       []figure.Figure   // the first is shown in text
	Notes         []string          // what a reader must know of the score
	Change        string            // how the score compares with the last grade's, such as "+2.0 since the last grade"
	Next          []string          // what to do now, a paragraph each
	Of            string            // how commands name the lab and the submission, such as "lab12_1 --from DIR"; empty: Lab
}

// Refusal is why a submission never came to run.
type Refusal struct {
	Reason  string   `json:"reason"`
	Details []string `json:"details"`
}

// Schema is the version of the JSON format, which schema.json describes. Fields may be added within a version;
// none changes its meaning.
const Schema = 1

type (
	jsonReport struct {
		Schema      int               `json:"schema"`
		Lab         string            `json:"lab"`
		File        string            `json:"file"`
		SHA256      string            `json:"sha256"`
		Score       float64           `json:"score"`
		MaxScore    float64           `json:"max_score"`
		Passed      bool              `json:"passed"`
		Complete    bool              `json:"complete"` // false: the grader failed on some kernel
		Refused     *Refusal          `json:"refused,omitempty"`
		Kernels     []jsonKernel      `json:"kernels"`
		Environment map[string]string `json:"environment"`
		Notes       []string          `json:"notes,omitempty"`
	}
	jsonKernel struct {
		Name    string     `json:"name"`
		Release string     `json:"release"`
		Score   float64    `json:"score"`
		Tasks   []jsonTask `json:"tasks"`
	}
	jsonTask struct {
		ID        string         `json:"id"`
		Title     string         `json:"title"`
		Status    judge.Status   `json:"status"`
		Points    float64        `json:"points"`
		MaxPoints float64        `json:"max_points"`
		Measured  judge.Quantity `json:"measured"`
		Target    judge.Quantity `json:"target"`
		Message   string         `json:"message"`
		Details   []string       `json:"details,omitempty"`
	}
)

// JSON writes the report for programs.
func (r Report) JSON(w io.Writer) error {
	out := jsonReport{
		Schema: Schema, Lab: r.Lab, File: r.File, SHA256: r.SourceSHA256,
		Score: r.Result.Score, MaxScore: r.Result.MaxScore,
		Passed: r.Result.Passed(), Complete: r.Result.Complete, Refused: r.Refused,
		Kernels: []jsonKernel{}, Environment: r.Environment, Notes: r.Notes,
	}
	for _, k := range r.Result.Kernels {
		jk := jsonKernel{Name: k.Name, Release: k.Release, Score: k.Score}
		for _, t := range k.Tasks {
			jk.Tasks = append(jk.Tasks, jsonTask{
				ID: t.ID, Title: t.Title, Status: t.Status, Points: t.Points, MaxPoints: t.MaxPoints,
				Measured: t.Measured, Target: t.Target, Message: t.Message, Details: t.Details,
			})
		}
		out.Kernels = append(out.Kernels, jk)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(out)
}

type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitProblem `xml:"failure"`
		Error   *junitProblem `xml:"error"`
		Skipped *junitProblem `xml:"skipped"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Body    string `xml:",chardata"`
	}
)

// JUnit writes the report as JUnit XML: a suite for each kernel, a case for each task.
func (r Report) JUnit(w io.Writer) error {
	var out junitSuites
	for _, k := range r.Result.Kernels {
		s := junitSuite{Name: fmt.Sprintf("%s on Linux %s", r.Lab, k.Name), Tests: len(k.Tasks)}
		for _, t := range k.Tasks {
			c := junitCase{
				Class:  r.Lab + "." + k.Name,
				Name:   fmt.Sprintf("%s (%s of %s points)", t.Title, Points(t.Points), Points(t.MaxPoints)),
				Output: measured(t),
			}
			problem := &junitProblem{Message: t.Message, Body: strings.Join(t.Details, "\n")}
			switch t.Status {
			case judge.Fail, judge.Partial:
				c.Failure, s.Failures = problem, s.Failures+1
			case judge.Error:
				c.Error, s.Errors = problem, s.Errors+1
			case judge.Skip, judge.Inconclusive:
				c.Skipped, s.Skipped = problem, s.Skipped+1
			}
			s.Cases = append(s.Cases, c)
		}
		out.Suites = append(out.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func measured(t judge.TaskResult) string {
	if t.Measured.Unit == "" {
		return ""
	}
	return fmt.Sprintf("measured %s %s, target %s", number(t.Measured.Value), t.Measured.Unit, number(t.Target.Value))
}

// Points prints a number of points as briefly as it can be.
func Points(p float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", p), ".0") }
