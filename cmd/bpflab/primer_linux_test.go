// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/survey"
	"bpflab/runner"
)

var shownReason = regexp.MustCompile(`^    (verifier|at|what it means|try): `)
var shownVerdict = regexp.MustCompile(`(?m)^  (\d[\d., ]*): (accepted|rejected: [a-z-]+)`)

// Kernels say of the programs of docs/primer.md what the page shows. A program of which it shows nothing is
// accepted; one with a mistake that its text names is rejected for that.
func TestPrimer(t *testing.T) {
	root, dir := clone(t), t.TempDir()
	put := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	get := func(path string) string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(text)
	}
	page := get(filepath.Join(root, "docs/primer.md"))
	put("ipv4.bpf.c", get(filepath.Join(root, "solutions/primer/ipv4.bpf.c")))

	shown := map[string]string{} // by file, what the page says that `bpflab explain` says
	for _, block := range codeBlock.FindAllStringSubmatch(page, -1) {
		switch language, name, text := block[1], block[2], block[3]; language {
		case "c":
			require.NotEmpty(t, name, "every program has a name:\n%s", text)
			put(name, text)
		case "sh":
			cmd := exec.CommandContext(t.Context(), "sh", "-ec", text)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		case "console":
			command, output, _ := strings.Cut(text, "\n")
			name, found := strings.CutPrefix(command, "$ ./bpflab explain ")
			require.True(t, found, command)
			shown[name] = output
		}
	}
	for name, mistake := range map[string]struct{ from, remove, kind string }{
		"unbounded.bpf.c": {"ipv4.bpf.c", "if ((void *)(eth + 1) > data_end)\n\t\treturn XDP_PASS;", "packet-bounds"},
		"leak.bpf.c":      {"calls.bpf.c", "bpf_ringbuf_submit(number, 0);", "reference-leak"},
		"order.bpf.c":     {"ipv4.bpf.c", "bpf_htons", ""},
	} {
		right := get(filepath.Join(dir, mistake.from))
		require.Equal(t, 1, strings.Count(right, mistake.remove), "%s: %s", mistake.from, mistake.remove)
		put(name, strings.Replace(right, mistake.remove, "", 1))
		if mistake.kind != "" {
			require.Contains(t, page, "(`"+mistake.kind+"`)")
			shown[name] = "  " + strings.Join(matrix(), ", ") + ": rejected: " + mistake.kind
		}
	}

	files, err := filepath.Glob(filepath.Join(dir, "*.bpf.c"))
	require.NoError(t, err)
	all, err := hostOn(sharedCache(t), os.Stderr).explain(t.Context(), nil, files, nil, matrix(), runner.Runs{})
	require.NoError(t, err)
	for _, f := range all.Files {
		name := filepath.Base(f.Name)
		require.Empty(t, f.Broken, name)
		require.Len(t, f.Programs, 1)
		page, rejected := shown[name], shownVerdict.FindAllStringSubmatch(shown[name], -1)
		var cells, kernels []string
		for line := range strings.Lines(page) {
			switch fields := strings.Fields(line); {
			case len(kernels) == 0:
				kernels = fields
			case len(fields) > 0 && fields[0] == f.Programs[0].Name:
				cells = fields[1:]
			}
		}
		var out strings.Builder
		require.NoError(t, survey.Survey{Kernels: all.Kernels, Files: []survey.File{f}}.Text(&out, 0))
		for n, kernel := range all.Kernels {
			l := f.Programs[0].On[n]
			at := slices.Index(kernels, kernel)
			switch {
			case cells != nil:
				require.GreaterOrEqual(t, at, 0, "%s: %s", name, kernel)
				assert.Equal(t, cells[at], survey.Cell(l), "%s on Linux %s", name, kernel)
			case rejected == nil:
				assert.Equal(t, survey.Accepted, survey.VerdictOf(l), "%s on Linux %s: %s", name, kernel, l.Message)
			}
		}
		for _, m := range rejected {
			assert.Contains(t, out.String(), m[2], name)
		}
		for line := range strings.Lines(page) {
			if shownReason.MatchString(line) { // to the … if it is long
				assert.Contains(t, out.String(), strings.TrimRight(line, "…\n"), name)
			}
		}
		delete(shown, name)
	}
	assert.Empty(t, shown, "the page shows what is said of programs that it does not have")
}
