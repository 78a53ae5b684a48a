// SPDX-License-Identifier: Apache-2.0

package checklist

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"bpflab/harness/host/inspect"
)

// What is written of SARIF 2.1.0, whose specification says what the fields mean. Libraries for it bring an HTTP
// client along, for schemas; a test has one validate what is written.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
		Full  sarifText `json:"fullDescription"`
		Help  sarifText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		Rule         string            `json:"ruleId"`
		Index        int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		Line int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
	}
)

// levels are SARIF's, of findings that a reader is to see.
var levels = map[Outcome]string{Fail: "error", NeedsYou: "note", NotJudged: "warning"}

// unreadable is the rule of files of which nothing can be said; it comes behind those of all points.
const unreadable = "unreadable"

// SARIF writes the report in SARIF 2.1.0, for what shows findings beside the source: rules are points, and results
// are the findings to act on. version is bpflab's.
func (r Report) SARIF(w io.Writer, version string) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "bpflab", Version: version}}, Results: []sarifResult{}}
	for _, p := range Points {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{p.ID, sarifText{p.Title}, sarifText{p.Rule}, sarifText{p.Rule + " " + p.Source}})
	}
	const broken = "A file is to hold a program that can be read."
	run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{unreadable, sarifText{"readable file"}, sarifText{broken}, sarifText{broken}})
	for _, f := range r.Broken {
		run.Results = append(run.Results, sarifResult{
			Rule: unreadable, Index: len(Points), Level: "error", Message: sarifText{f.Broken},
			Locations: []sarifLocation{location(f.Name, "", inspect.Place{})}, Fingerprints: fingerprint(unreadable, f.Name, ""),
		})
	}
	for _, p := range r.Programs {
		for i, f := range p.Findings {
			level := levels[f.Outcome]
			if level == "" {
				continue
			}
			result := sarifResult{Rule: f.Point.ID, Index: i, Level: level, Message: sarifText{p.message(f)}, Fingerprints: fingerprint(f.Point.ID, p.File, p.Name)}
			for _, place := range f.Places {
				if sourceOf(p.File, place) != "" {
					result.Locations = append(result.Locations, location(p.File, p.Name, place))
				}
			}
			if len(result.Locations) == 0 {
				result.Locations = []sarifLocation{location(p.File, p.Name, inspect.Place{})}
			}
			run.Results = append(run.Results, result)
		}
	}
	return encode(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// message is a finding in full.
func (p Program) message(f Finding) string {
	lines := []string{fmt.Sprintf("%s, %s: %s", p.Name, f.Point.Title, cmp.Or(f.brief(), string(f.Outcome)))}
	if f.Message != "" {
		lines = append(lines, f.Message)
	}
	for _, place := range f.Places {
		if sourceOf(p.File, place) == "" {
			lines = append(lines, position(place))
		}
	}
	for _, command := range f.Yours {
		lines = append(lines, "run: "+command)
	}
	if f.Deeper != "" {
		lines = append(lines, "more: "+f.Deeper)
	}
	return strings.Join(lines, "\n")
}

// location is a line of a file, or the first one: some readers show nothing of a result that is at no line.
func location(file, program string, place inspect.Place) sarifLocation {
	l := sarifLocation{Physical: sarifPhysical{sarifArtifact{uri(file)}, sarifRegion{1}}}
	if sourceOf(file, place) != "" {
		l.Physical.Region.Line = place.Line
	}
	if program != "" {
		l.Logical = []sarifLogical{{program, "function"}}
	}
	return l
}

// uri is a file's name as SARIF wants it: relative to where bpflab was started.
func uri(file string) string {
	return (&url.URL{Path: filepath.ToSlash(filepath.Clean(file))}).String()
}

// fingerprint recognizes a finding in another run: it does not change with lines and figures.
func fingerprint(rule, file, program string) map[string]string {
	sum := sha256.Sum256([]byte(rule + "\x00" + file + "\x00" + program))
	return map[string]string{"bpflab/v1": fmt.Sprintf("%x", sum[:16])}
}
