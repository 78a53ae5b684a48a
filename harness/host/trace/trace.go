// SPDX-License-Identifier: Apache-2.0

// Package trace writes what a submission made of a few frames or system calls, step by step: what was found beside what
// should have been, what the program printed, and what its maps and variables held in the end.
package trace

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"bpflab/harness/job"
)

// Run is one run of a submission on a kernel.
type Run struct {
	Lab, Title, File, SHA256, Kernel string

	Problem *Problem // set: the submission did not come to its steps, and all else is empty
	Trace
	Held
}

// Problem is why a submission was not run to its end.
type Problem struct {
	Message string
	Details []string
}

// Trace is what a lab says of the steps.
type Trace struct {
	Settings []string // what the program was told, such as "verdict is 3, XDP_TX"
	Columns  []Column
	Steps    []Step
	Notes    []string // what a reader must know beside
}

// Column is one of the table of steps.
type Column struct {
	Name   string
	Number bool // it is aligned as numbers are
}

// Step is one frame or call.
type Step struct {
	Found    []string // a cell for each column
	Expected []string // what a cell should have been; empty where it is right
	Printed  job.Printed
}

// Cell adds a cell. Where expected is empty, whatever was found is right.
func (s *Step) Cell(found, expected string) {
	if found == expected {
		expected = ""
	}
	s.Found, s.Expected = append(s.Found, found), append(s.Expected, expected)
}

// Wrong reports whether something is not as it should be.
func (s Step) Wrong() bool {
	return slices.ContainsFunc(s.Expected, func(cell string) bool { return cell != "" })
}

// Right reports whether the submission was run and each step is as it should be.
func (r Run) Right() bool { return r.Problem == nil && !slices.ContainsFunc(r.Steps, Step.Wrong) }

// Schema is the version of the JSON format. Fields may be added within a version; none changes its meaning.
const Schema = 1

type (
	jsonRun struct {
		Schema    int            `json:"schema"`
		Lab       string         `json:"lab"`
		File      string         `json:"file"`
		SHA256    string         `json:"sha256"`
		Kernel    string         `json:"kernel"`
		Right     bool           `json:"right"`
		Problem   *jsonProblem   `json:"problem,omitempty"`
		Settings  []string       `json:"settings,omitempty"`
		Steps     []jsonStep     `json:"steps"`
		Notes     []string       `json:"notes,omitempty"`
		Maps      []jsonMap      `json:"maps"`
		Variables map[string]any `json:"variables"`
	}
	jsonProblem struct {
		Message string   `json:"message"`
		Details []string `json:"details,omitempty"`
	}
	jsonStep struct {
		Found       map[string]string `json:"found"`              // by column
		Expected    map[string]string `json:"expected,omitempty"` // where that is something else
		Printed     []string          `json:"printed,omitempty"`
		PrintedMore int               `json:"printed_more,omitempty"` // lines that are not shown
	}
	jsonMap struct {
		Name    string      `json:"name"`
		Type    string      `json:"type"`
		Entries []jsonEntry `json:"entries"`
		More    bool        `json:"more,omitempty"` // it may hold others
	}
	jsonEntry struct {
		Key    any   `json:"key"`
		Values []any `json:"values"` // one, or one for each CPU
	}
)

// JSON writes the run for programs.
func (r Run) JSON(w io.Writer) error {
	out := jsonRun{
		Schema: Schema, Lab: r.Lab, File: r.File, SHA256: r.SHA256, Kernel: r.Kernel, Right: r.Right(),
		Settings: r.Settings, Notes: r.Notes, Steps: []jsonStep{}, Maps: []jsonMap{}, Variables: map[string]any{},
	}
	if r.Problem != nil {
		out.Problem = &jsonProblem{r.Problem.Message, r.Problem.Details}
	}
	for _, s := range r.Steps {
		one := jsonStep{Found: map[string]string{}, Printed: s.Printed.Lines, PrintedMore: s.Printed.More}
		for i, c := range r.Columns {
			one.Found[c.Name] = s.Found[i]
			if s.Expected[i] != "" {
				if one.Expected == nil {
					one.Expected = map[string]string{}
				}
				one.Expected[c.Name] = s.Expected[i]
			}
		}
		out.Steps = append(out.Steps, one)
	}
	for _, m := range r.Maps {
		one := jsonMap{Name: m.Name, Type: m.Type, Entries: []jsonEntry{}, More: m.More}
		for _, e := range m.Entries {
			one.Entries = append(one.Entries, jsonEntry(e))
		}
		out.Maps = append(out.Maps, one)
	}
	for _, v := range r.Variables {
		out.Variables[v.Name] = v.Value
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("write what was seen: %w", err)
	}
	return nil
}
