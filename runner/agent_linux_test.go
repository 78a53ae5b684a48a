// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
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

	change("labs/lab12_1/hints.go", "The report says what", "A report says what")
	change("labs/lab12_1/judge.go", "packets counted wrong", "wrong packets")
	change("harness/host/report/text.go", "note: ", "please note: ")
	change("harness/host/explain/kinds.go", "The pointer may be NULL", "A pointer may be NULL")
	assert.Equal(t, before, sum(), "a hint, a message, a report and an explanation were changed")

	change("labs/lab12_1/observe/observed.go", "RaceRounds = 16", "RaceRounds = 17")
	assert.NotEqual(t, before, sum(), "a round more is raced")
}

type silent struct{}

func (silent) Set(string, string)    {}
func (silent) Notice(string, ...any) {}

// The agent beside the command serves if it is the one that the command was built with. Else it is built,
// and a build that was interrupted is not the last.
func TestFindAgent(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	beside := filepath.Join(filepath.Dir(self), agentName)
	require.NoError(t, os.WriteFile(beside, []byte("an agent"), 0o755))
	t.Cleanup(func() { os.Remove(beside); agentSHA256 = "" })

	agentSHA256 = sha256Hex("an agent")
	a, err := (&Host{Cache: t.TempDir(), Progress: silent{}}).findAgent(t.Context())
	require.NoError(t, err)
	assert.Equal(t, agent{beside, agentSHA256}, a)

	agentSHA256 = sha256Hex("another agent")
	h := &Host{Cache: t.TempDir(), Progress: silent{}}
	interrupted, stop := context.WithCancel(t.Context())
	stop()
	_, err = h.findAgent(interrupted)
	require.ErrorContains(t, err, "build the guests' agent")
	a, err = h.findAgent(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, beside, a.path)
	sum, err := fileSHA256(a.path)
	require.NoError(t, err)
	assert.Equal(t, sum, a.sha256)
	again, err := h.findAgent(interrupted)
	require.NoError(t, err, "it is there already")
	assert.Equal(t, a, again)

	t.Chdir(t.TempDir())
	_, err = (&Host{Cache: t.TempDir(), Progress: silent{}}).findAgent(t.Context())
	assert.ErrorContains(t, err, "run make bpflab in a clone, and keep both files together")
}
