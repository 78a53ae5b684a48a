// SPDX-License-Identifier: Apache-2.0

package checklist

import (
	"encoding/json"
	"io"

	"bpflab/harness/host/inspect"
)

// JSON writes the report for programs.
func (r Report) JSON(w io.Writer) error {
	type point struct {
		ID     string `json:"id"`
		Title  string `json:"title"`
		Rule   string `json:"rule"`
		Source string `json:"source"` // of the limit
	}
	type finding struct {
		Point   string          `json:"point"`
		Outcome Outcome         `json:"outcome"`
		Number  string          `json:"number,omitempty"`
		Limit   string          `json:"limit,omitempty"`
		Kernel  string          `json:"kernel,omitempty"` // the worst one
		Message string          `json:"message,omitempty"`
		Places  []inspect.Place `json:"places,omitempty"`
		Deeper  string          `json:"deeper,omitempty"`
		Yours   []string        `json:"yours,omitempty"` // commands for a machine of the user's
	}
	type program struct {
		File     string    `json:"file_name"`
		Program  string    `json:"prog_name"`
		Findings []finding `json:"findings"`
	}
	type broken struct {
		File string `json:"file_name"`
		Why  string `json:"why"`
	}
	out := struct {
		Kernels  []string  `json:"kernels"`
		Packets  string    `json:"packets"`
		IPS      float64   `json:"instructions_per_second"`
		Points   []point   `json:"points"`
		Programs []program `json:"programs"`
		Broken   []broken  `json:"broken,omitempty"`
		Warnings []string  `json:"warnings,omitempty"` // of the compiler
	}{Kernels: r.Kernels, Packets: r.Packets, IPS: r.Limits.IPS, Programs: []program{}, Warnings: r.Warnings}
	for _, p := range Points {
		out.Points = append(out.Points, point{p.ID, p.Title, p.Rule, p.Source})
	}
	for _, p := range r.Programs {
		one := program{File: p.File, Program: p.Name}
		for _, f := range p.Findings {
			one.Findings = append(one.Findings, finding{f.Point.ID, f.Outcome, f.Number, f.Limit, f.Kernel, f.Message, f.Places, f.Deeper, f.Yours})
		}
		out.Programs = append(out.Programs, one)
	}
	for _, f := range r.Broken {
		out.Broken = append(out.Broken, broken{f.Name, f.Broken})
	}
	return encode(w, out)
}

func encode(w io.Writer, out any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}
