// SPDX-License-Identifier: Apache-2.0

package table

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
)

func TestWrite(t *testing.T) {
	rows := []Row{{"", []string{"5.10", "6.12"}}, {"a file whose name is longer than all of the table", nil}, {"  short", []string{"1", "→"}}, {"  a long name", []string{"", "12345"}}, {"  n", []string{"2", ""}}}
	var out strings.Builder
	Write(&out, rows, 0)
	assert.Equal(t, `               5.10   6.12
a file whose name is longer than all of the table
  short           1      →
  a long name        12345
  n               2
`, out.String())

	out.Reset()
	Write(&out, rows, 20)
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "a file") {
			assert.LessOrEqual(t, ansi.StringWidth(strings.TrimRight(line, "\n")), minName+2+4+2+5, line)
		}
	}
	assert.Contains(t, out.String(), "  a long na…")
}
