// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var codeBlock = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$")

// The lab of docs/writing-a-lab.md is built from that page, in a copy of the clone, and is
// whole by the measure of lint-lab.
func TestWritingALab(t *testing.T) {
	root, dir := clone(t), t.TempDir()
	page, err := os.ReadFile(filepath.Join(root, "docs/writing-a-lab.md"))
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(dir, os.DirFS(root)))

	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	lines := 0
	for _, block := range codeBlock.FindAllStringSubmatch(string(page), -1) {
		language, name, text := block[1], block[2], block[3]
		switch {
		case language == "sh":
			run("sh", "-ec", text)
		case name != "":
			path := filepath.Join(dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
			lines += strings.Count(text, "\n")
		}
	}
	assert.Less(t, lines, 165, "lines of Go and C")
	assert.Empty(t, run("gofmt", "-l", "labs/lab12_4", "cmd"))
	run("go", "vet", "./labs/lab12_4/...")
	run("make", "bpflab")
	out := run("./bpflab", "lint-lab", "lab12_4", "--cache", newCache(t), "--kernels", "6.12")
	assert.NotContains(t, out, "WRONG")
	assert.Equal(t, 12, strings.Count(out, "ok "), out)
}
