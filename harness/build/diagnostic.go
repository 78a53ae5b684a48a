// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// A Diagnostic is one message of clang's.
type Diagnostic struct {
	File     string // empty if the message belongs to no place
	Line     int    // from 1, or 0 if there is none
	Column   int    // in bytes, from 1, or 0 if there is none
	Severity string // "error", "fatal error", "warning" or "note"
	Text     string
	Excerpt  string // the source line and what clang points at, may be empty
}

// String returns file:line:column: severity: text, and the excerpt below it.
func (d Diagnostic) String() string {
	var b strings.Builder
	if d.File != "" {
		b.WriteString(d.File + ":")
		if d.Line > 0 {
			fmt.Fprintf(&b, "%d:%d:", d.Line, d.Column)
		}
		b.WriteByte(' ')
	}
	fmt.Fprintf(&b, "%s: %s", d.Severity, d.Text)
	if d.Excerpt != "" {
		b.WriteString("\n" + d.Excerpt)
	}
	return b.String()
}

// A CompileError says that a source does not compile. It is the submission's
// fault.
type CompileError struct {
	Source      string
	Diagnostics []Diagnostic // errors and what belongs to them, never empty
	Output      string       // all that clang printed, at most 64 KiB
}

// Error lists the errors as clang showed them, excerpts included.
func (e *CompileError) Error() string {
	lines := []string{fmt.Sprintf("%s does not compile:", e.Source)}
	for _, d := range e.Diagnostics {
		lines = append(lines, d.String())
	}
	return strings.Join(lines, "\n")
}

func newCompileError(source string, diags []Diagnostic, output string, exit *exec.ExitError) *CompileError {
	e := &CompileError{Source: source, Output: output}
	keep := false
	for _, d := range withPath(diags, source) {
		// A note belongs to the message before it.
		if d.Severity != "note" {
			keep = strings.HasSuffix(d.Severity, "error")
		}
		if keep {
			e.Diagnostics = append(e.Diagnostics, d)
		}
	}

	status, _ := exit.Sys().(syscall.WaitStatus)
	if len(e.Diagnostics) == 0 || status.Signaled() || strings.Contains(output, "out of memory") {
		e.Diagnostics = append([]Diagnostic{{
			File: source, Severity: "error",
			Text: fmt.Sprintf("clang gave up (%s); it may use %d MiB of memory and write %d MiB: make the source simpler",
				exit, maxMemory>>20, maxFile>>20),
		}}, e.Diagnostics...)
	}
	return e
}

var (
	located   = regexp.MustCompile(`^(.+?):(\d+):(\d+): (fatal error|error|warning|note): (.*)$`)
	unlocated = regexp.MustCompile(`^(?:clang[^:]*: )?(fatal error|error|warning): (.*)$`)
	chatter   = regexp.MustCompile(`^(In file included from .*|[\d a-z]+ generated\.)$`)
)

// parseDiagnostics splits clang's output. Lines between two messages are the
// first one's excerpt.
func parseDiagnostics(output string) []Diagnostic {
	var diags []Diagnostic
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		if m := located.FindStringSubmatch(line); m != nil {
			d := Diagnostic{File: filepath.Clean(m[1]), Severity: m[4], Text: m[5]}
			d.Line, _ = strconv.Atoi(m[2])
			d.Column, _ = strconv.Atoi(m[3])
			diags = append(diags, d)
			continue
		}
		if m := unlocated.FindStringSubmatch(line); m != nil {
			diags = append(diags, Diagnostic{Severity: m[1], Text: m[2]})
			continue
		}
		if n := len(diags); n > 0 && !chatter.MatchString(line) {
			d := &diags[n-1]
			d.Excerpt = strings.TrimPrefix(d.Excerpt+"\n"+line, "\n")
		}
	}
	return diags
}

// withPath puts the path that the caller knows the source by in place of its
// base name, so that an editor can follow it.
func withPath(diags []Diagnostic, source string) []Diagnostic {
	var out []Diagnostic
	for _, d := range diags {
		if d.File != "" && !filepath.IsAbs(d.File) {
			d.File = filepath.Join(filepath.Dir(source), d.File)
		}
		out = append(out, d)
	}
	return out
}
