// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"regexp"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"bpflab/harness/host/report"
	"bpflab/harness/host/visible"
)

// begins is what a line's further lines are put below: spaces, the number of a list, the mark of a quotation.
var begins = regexp.MustCompile(`^(?:` + visible.Mark + `)? *(?:\d+\. |- )?`)

// fit breaks the lines of a text between words, so that none is longer than a terminal is wide. Where w is no
// terminal they stay as they are.
func fit(w io.Writer, text string) string { return fitted(text, width(w)) }

func fitted(text string, columns int) string {
	if columns == 0 {
		return text
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		first := begins.FindString(line)
		rest, wide := line[len(first):], ansi.StringWidth(first)
		for i, part := range strings.Split(report.Wrap(rest, max(columns-wide, 20)), "\n") {
			switch {
			case i == 0:
			case strings.HasPrefix(first, visible.Mark):
				first = visible.Mark + strings.Repeat(" ", wide-ansi.StringWidth(visible.Mark))
			default:
				first = strings.Repeat(" ", wide)
			}
			out.WriteString(strings.TrimRight(first+part, " ") + "\n")
		}
	}
	return out.String()
}
