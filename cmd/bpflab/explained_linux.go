// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"bpflab/harness/host/explain"
	"bpflab/harness/host/visible"
	"bpflab/harness/job"
)

// showExplained writes what became of each file and returns how the command ends.
func showExplained(w io.Writer, all []explained) error {
	code := exitPassed
	var out strings.Builder
	for i, e := range all {
		if i > 0 {
			out.WriteByte('\n')
		}
		e.write(&out)
		code = max(code, e.exit())
	}
	if _, err := io.WriteString(w, fit(w, out.String())); err != nil {
		return fmt.Errorf("write what was found: %w", err)
	}
	if code != exitPassed {
		return &exit{code: code}
	}
	return nil
}

// exit is how the command would end for this file alone.
func (e explained) exit() int {
	code := exitPassed
	if e.broken != "" {
		code = exitFailed
	}
	for _, l := range e.loaded {
		switch {
		case l.Error != "":
			return exitInfra
		case !l.Accepted:
			code = exitFailed
		}
	}
	return code
}

// write writes a file's name and, below it, a group of lines for all kernels that agree. What
// several groups mean alike is told once.
func (e explained) write(w io.Writer) {
	if e.broken != "" {
		fmt.Fprintln(w, visible.Quote(e.broken))
		return
	}
	fmt.Fprintln(w, visible.Line(e.file))
	var groups []said
	for i, l := range e.loaded {
		s := say(l)
		at := slices.IndexFunc(groups, func(g said) bool { return g.text == s.text })
		if at < 0 {
			at = len(groups)
			groups = append(groups, s)
		}
		groups[at].kernels = append(groups[at].kernels, e.kernels[i])
	}
	told := map[string]bool{}
	for _, g := range groups {
		fmt.Fprintf(w, "  %s: %s\n", strings.Join(g.kernels, ", "), g.text)
		for _, line := range g.meaning {
			if !told[line] {
				fmt.Fprintf(w, "    %s\n", visible.Line(line))
			}
			told[line] = true
		}
	}
}

// said is what kernels say of a program.
type said struct {
	kernels []string
	text    string   // of lines, all but the first indented
	meaning []string // lines that explain it
}

// say says what became of a program on a kernel.
func say(l job.Loaded) said {
	switch {
	case l.Error != "":
		return said{text: "not judged: " + indented(l.Error)}
	case l.Accepted:
		return said{text: fmt.Sprintf("accepted, %d instructions processed", l.Stats.Processed)}
	}
	lines := []string{"rejected", l.By.String() + ": " + visible.Line(l.Message)}
	if l.Source != "" {
		lines = append(lines, "at: "+visible.Line(l.Source))
	}
	e, ok := explain.Rejection(l.Report)
	if !ok {
		return said{text: strings.Join(lines, "\n    ")}
	}
	lines[0] += ": " + e.Kind
	if e.Kind == explain.Unknown { // the log must do
		for _, line := range l.Log {
			lines = append(lines, indented(line))
		}
	}
	return said{text: strings.Join(lines, "\n    "), meaning: e.Lines()}
}

// indented is a text of which no line can pass for one that says what became of a program.
func indented(text string) string { return strings.Join(visible.Lines(text), "\n    ") }
