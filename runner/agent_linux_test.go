// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Changing what people read does not change the agent, and so no snapshot and no cost. Changing what guests
// do does.
func TestAgentIsApart(t *testing.T) {
	root, err := ModuleRoot()
	require.NoError(t, err)
	dir, built := t.TempDir(), filepath.Join(t.TempDir(), "agent")
	for _, part := range []string{"cmd/agent", "harness", "labs", "vm"} {
		require.NoError(t, os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(root, part))))
	}
	change := func(file, old, new string) {
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(text), old, file)
		require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, new)), 0o644))
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	sum := func() string {
		require.NoError(t, compileAgent(t.Context(), dir, built))
		sum, err := fileSHA256(built)
		require.NoError(t, err)
		return sum
	}
	before := sum()

	out, err := exec.Command("make", "-C", root, "bpflab", "BIN="+dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	made, err := fileSHA256(filepath.Join(dir, agentName))
	require.NoError(t, err)
	require.Equal(t, before, made, "make builds the same, in another folder")

	change("labs/lab12_1/hints.go", "The report ends with", "A report ends with")
	change("labs/lab12_1/judge.go", "packets counted wrong", "wrong packets")
	change("harness/report/text.go", "note: ", "please note: ")
	change("harness/explain/kinds.go", "The pointer may be NULL", "A pointer may be NULL")
	assert.Equal(t, before, sum(), "a hint, a message, a report and an explanation were changed")

	change("labs/lab12_1/observe/observed.go", "RaceRounds = 16", "RaceRounds = 17")
	assert.NotEqual(t, before, sum(), "a round more is raced")
}
