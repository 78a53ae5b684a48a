// SPDX-License-Identifier: Apache-2.0

package survey

import (
	"fmt"
	"slices"
	"strings"

	"bpflab/harness/host/visible"
	"bpflab/harness/job"
)

// Detail is what Text and Log show below each rejection.
type Detail struct {
	Full   bool // the whole logs, each once for all kernels that say the same; with States, the whole path
	States bool // the verifier's path, for each kind of rejection that of the newest kernel
}

// write writes the details of a program's rejections.
func (d Detail) write(w *strings.Builder, p Program, kernels []string, indent string, columns int) {
	if d.States {
		seen := map[string]bool{}
		var parts []string
		for i, l := range slices.Backward(p.On) {
			e, ok := explanation(l)
			if !ok || seen[e.Kind] {
				continue
			}
			seen[e.Kind] = true
			var part strings.Builder
			path(&part, l.Report, kernels[i], indent, columns, d.Full)
			parts = append(parts, part.String())
		}
		slices.Reverse(parts)
		w.WriteString(strings.Join(parts, ""))
	}
	if !d.Full {
		return
	}
	type group struct {
		kernels []string
		of      job.Loaded
	}
	var logs []group
	for i, l := range p.On {
		if VerdictOf(l) != Rejected {
			continue
		}
		at := slices.IndexFunc(logs, func(g group) bool { return l.Whole.Equal(g.of.Whole) })
		if at < 0 {
			at = len(logs)
			logs = append(logs, group{of: l})
		}
		logs[at].kernels = append(logs[at].kernels, kernels[i])
	}
	for _, g := range logs {
		of := ""
		if names := strings.Join(g.kernels, ", "); names != "" {
			of = " on " + names
		}
		if g.of.Whole == nil && d.States { // the path has said so
			continue
		} else if g.of.Whole == nil {
			fmt.Fprintf(w, "%sno log%s: %s\n", indent, of, withoutPath(g.of.Report))
			continue
		}
		fmt.Fprintf(w, "%slog%s, %d lines:\n", indent, of, len(g.of.Whole.Lines)+g.of.Whole.Cut)
		for _, line := range g.of.Whole.Text() {
			fmt.Fprintln(w, visible.Mark+strings.Join(visible.Lines(line), " "))
		}
	}
}
