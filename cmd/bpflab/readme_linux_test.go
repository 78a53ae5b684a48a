// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
	"bpflab/vm/kernels"
)

// The READMEs show what the starters are worth. Words and points must be those of a grade, numbers nearly
// so: their last digits differ between builds.
func TestReadmesShowTheStarters(t *testing.T) {
	for _, lab := range labs {
		r := firstReceipt(t, lab.Name, starterOf(t, lab.Name))
		file := filepath.Join(t.TempDir(), "receipt.json")
		require.NoError(t, writeFile(file, r.Write))
		var report bytes.Buffer
		run(t.Context(), &report, &report, []string{"judge", file})
		graded := rows(t, lab, report.String(), len(matrix()))

		pages := []string{filepath.Join("labs", lab.Name, "README.md")}
		if lab == labs[0] {
			pages = append(pages, "README.md")
		}
		for _, page := range pages {
			text, err := os.ReadFile(filepath.Join(clone(t), page))
			require.NoError(t, err)
			shown := rows(t, lab, string(text), len(kernels.Names()))
			for i, task := range lab.Tasks {
				for n, name := range matrix() {
					assert.True(t, alike(graded[i][n], shown[i][slices.Index(kernels.Names(), name)]),
						"%s, task %s on Linux %s: expected %s as in a grade, found %v", page, task.ID, name, graded[i][n], shown[i])
				}
				assert.Equal(t, graded[i][len(matrix())], shown[i][len(kernels.Names())], "%s, points of task %s", page, task.ID)
			}
			if page == "README.md" {
				header := fmt.Sprintf("%s  %.7s\n", lab.File, r.Submission.SHA256)
				assert.True(t, strings.Contains(string(text), header), "%s shows a grade of another file; expected %s", page, header)
			}
		}
	}
}

// rows are a table's lines, one a task: a cell for each of n kernels, and the points.
func rows(t *testing.T, lab *harness.Lab, text string, n int) (all [][]string) {
	t.Helper()
	_, table, found := strings.Cut(text, " points\n")
	require.True(t, found, text)
	for i, task := range lab.Tasks {
		var line string
		line, table, _ = strings.Cut(table, "\n")
		rest, found := strings.CutPrefix(line, fmt.Sprintf(" %d %s ", i+1, task.Title))
		require.True(t, found, "expected task %d, %s, found %q", i+1, task.Title, line)
		cells := strings.Fields(rest)
		require.Greater(t, len(cells), n, line)
		all = append(all, cells[:n+1])
	}
	return all
}

// alike reports whether two cells are equal, or numbers in one unit that differ by 15% at most.
func alike(a, b string) bool {
	x, unitX := quantity(a)
	y, unitY := quantity(b)
	return a == b || unitX == unitY && math.Abs(x-y) <= 0.15*math.Max(x, y)
}

// quantity splits a cell such as 0.65M or 24.8% into its number and its unit; of a word, all is unit.
func quantity(cell string) (float64, string) {
	end := strings.LastIndexAny(cell, "0123456789") + 1
	n, err := strconv.ParseFloat(cell[:end], 64)
	if err != nil {
		return 0, cell
	}
	return n, cell[end:]
}
