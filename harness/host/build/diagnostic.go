// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"bpflab/harness/host/sandbox"
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
	Source       string
	SourceSHA256 string       // of the text that was compiled, in hex
	Diagnostics  []Diagnostic // errors and what belongs to them, never empty
	Output       string       // all that clang printed, at most 64 KiB
}

// Error lists the errors as clang showed them, excerpts included.
func (e *CompileError) Error() string {
	lines := []string{fmt.Sprintf("%s does not compile:", e.Source)}
	for _, d := range e.Diagnostics {
		lines = append(lines, d.String())
	}
	return strings.Join(lines, "\n")
}

// InFolder returns the error with paths as seen from the source's folder. A receipt holds it like that:
// the same submission must have the same receipt in every folder.
func (e *CompileError) InFolder() *CompileError {
	folder, seen := filepath.Dir(e.Source), *e
	seen.Source = filepath.Base(e.Source)
	seen.Diagnostics = slices.Clone(e.Diagnostics)
	for i, d := range seen.Diagnostics {
		if rel, err := filepath.Rel(folder, d.File); err == nil && filepath.IsLocal(rel) {
			seen.Diagnostics[i].File = rel
		}
	}
	return &seen
}

func newCompileError(source string, diags []Diagnostic, output string, r sandbox.Result) *CompileError {
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
	if text := advice(e.Diagnostics); text != "" {
		e.Diagnostics = append(e.Diagnostics, Diagnostic{Severity: "note", Text: text})
	}
	if text := tooMuch("clang", r, output, clangLimits); text != "" || len(e.Diagnostics) == 0 {
		if text == "" {
			text = fmt.Sprintf("clang gave up (%v)", r.Exit)
		}
		e.Diagnostics = append([]Diagnostic{{File: source, Severity: "error", Text: text + ": make the source simpler"}}, e.Diagnostics...)
	}
	return e
}

// advice is for those who know C and not BPF: what clang's messages do not say.
func advice(diags []Diagnostic) string {
	for _, d := range diags {
		for _, a := range []struct {
			message *regexp.Regexp
			text    string
		}{
			{regexp.MustCompile(`built-in function '__\w*[sd]f\w*' is not supported`), "BPF has no floating point: calculate in integers, such as thousandths"},
			{regexp.MustCompile(`gnu/stubs-32\.h|'(?:stdio|stdlib|string|unistd|math)\.h' file not found`), "BPF programs have no C library: leave out headers such as <stdio.h> and <stdlib.h>"},
			{regexp.MustCompile(`implicitly declaring library function|implicit declaration of function '(?:\w*printf|malloc|free|str\w+|mem\w+|sleep|usleep)'`),
				"BPF programs have no C library: they call the helpers of bpf_helpers.h only, and __builtin_memcpy and the like for fixed sizes"},
			{regexp.MustCompile(`'vmlinux\.h' file not found`), "programs that include <linux/bpf.h> and the headers of what they read, as the labs' starters do, need no vmlinux.h"},
			{regexp.MustCompile(`A call to built-in function '\w+' is not supported`), "BPF programs have no C library: initialise and copy with fixed sizes, which clang expands in place"},
		} {
			if a.message.MatchString(d.Text) {
				return a.text
			}
		}
	}
	return ""
}

// killed reports whether a compiler was killed for another reason than its limits, such as a machine that
// runs out of memory. A compiler that crashes ends by another signal.
func killed(r sandbox.Result) bool {
	status, _ := r.Exit.Sys().(syscall.WaitStatus)
	return r.Exceeded == "" && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// tooMuch says which limit a compiler has met, if any.
func tooMuch(tool string, r sandbox.Result, output string, l sandbox.Limits) string {
	memory := fmt.Sprintf("%s needed more than %d MiB of memory", tool, l.Memory>>20)
	status, _ := r.Exit.Sys().(syscall.WaitStatus)
	switch {
	case r.Exceeded == sandbox.Memory:
		return memory
	case r.Exceeded == sandbox.CPU:
		return fmt.Sprintf("%s needed more than %.0f s of CPU time", tool, l.CPU.Seconds())
	case r.Exceeded == sandbox.Time:
		return fmt.Sprintf("%s did not finish within %s", tool, l.Time)
	case r.Exceeded == sandbox.File, fileTooLarge.MatchString(output):
		return fmt.Sprintf("%s wrote a file of more than %d MiB", tool, l.File>>20)
	case outOfMemory.MatchString(output):
		return memory
	case status.Signaled():
		return fmt.Sprintf("%s was ended by a signal (%v); it may use %d MiB of memory and write %d MiB", tool, status.Signal(), l.Memory>>20, l.File>>20)
	}
	return ""
}

// fileTooLarge is how Go's tools say that they ran into a limit.
var fileTooLarge = regexp.MustCompile(`(?m)^(SIGXFSZ: .*|\S*(compile|link): .*file too large)$`)

// outOfMemory is how clang and Go say it; a line of their own, which no source can make.
var outOfMemory = regexp.MustCompile(`(?m)^(LLVM ERROR: out of memory|fatal error: .*(out of memory|cannot allocate memory)|runtime: (out of memory|cannot allocate memory)|terminate called after throwing an instance of 'std::bad_alloc')`)

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
