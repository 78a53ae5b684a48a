// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/runner"
)

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"bpflab": main})
}

// tests are those of this package; what they built goes when they end.
type tests struct{ *testing.M }

func (m tests) Run() int {
	// Tests leave the user's record of grades alone.
	state, err := os.MkdirTemp("", "bpflab-state-")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_STATE_HOME", state)
	defer func() { os.RemoveAll(builtDir); os.RemoveAll(state) }()
	return m.M.Run()
}

// clone is the module's root.
func clone(t testing.TB) string {
	t.Helper()
	root, err := runner.ModuleRoot()
	require.NoError(t, err)
	return root
}

// Each lab has its side in the guests' agent.
func TestAgentHasEveryLab(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(clone(t), "cmd/agent/main_linux_amd64.go"))
	require.NoError(t, err)
	for _, lab := range labs {
		assert.Contains(t, string(text), fmt.Sprintf("%q: %s.Observe,", lab.Name, lab.Name))
	}
}

// hostOn is this machine with a cache, and with notices that go to stderr.
func hostOn(cache string, stderr io.Writer) *host {
	h := newHost(stderr)
	h.Cache = cache
	return h
}

// sharedCache is the user's own cache, with all kernels of the matrix.
func sharedCache(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it needs guests, which -short leaves out")
	}
	dir, err := os.UserCacheDir()
	require.NoError(t, err)
	cache := filepath.Join(dir, "bpflab")
	require.NoError(t, fetched(cache))
	return cache
}

var fetched = func() func(cache string) error {
	var once sync.Once
	var err error
	return func(cache string) error {
		once.Do(func() {
			h := hostOn(cache, os.Stderr)
			store, e := h.Store()
			if err = e; err == nil {
				err = store.Fetch(context.Background())
			}
		})
		return err
	}
}()

// TestScripts runs testdata/script. Each script has a folder, a home and a cache of its own;
// $SHARED is the user's cache and $CLONE this clone.
func TestScripts(t *testing.T) {
	root, shared := clone(t), sharedCache(t)
	env := map[string]string{"CLONE": root, "SHARED": shared}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY"} {
		value, err := exec.Command("go", "env", name).Output()
		require.NoError(t, err)
		env[name] = strings.TrimSpace(string(value))
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			for name, value := range env {
				e.Setenv(name, value)
			}
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "tools": tools},
	})
}

// status N COMMAND ... runs a command that must end with the exit status N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command [arguments]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("expected the exit status %d, found %d", want, got)
	}
}

// tools NAME ... leaves nothing on PATH but bpflab and these.
func tools(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: tools [name ...]")
	}
	dir := ts.MkAbs("tools")
	ts.Check(os.MkdirAll(dir, 0o755))
	for _, name := range args {
		path, err := exec.LookPath(name)
		ts.Check(err)
		ts.Check(os.Symlink(path, filepath.Join(dir, name)))
	}
	bin, _, _ := strings.Cut(ts.Getenv("PATH"), string(os.PathListSeparator))
	ts.Setenv("PATH", bin+string(os.PathListSeparator)+dir)
}

// Help lists each command below those who use it; a new one has to be put into a group.
func TestCommandsAreGrouped(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitPassed, run(t.Context(), &stdout, &stderr, []string{"--help"}))
	_, rest, found := strings.Cut(stdout.String(), "Additional Commands:\n")
	require.True(t, found)
	assert.Regexp(t, `^  help +Help about any command\n\n`, rest)
	for _, g := range groups {
		assert.Contains(t, stdout.String(), "\n\n"+g.title+"\n  ")
		for _, name := range g.commands {
			assert.Contains(t, stdout.String(), "\n  "+name+" ", "a command of group %q", g.title)
		}
	}
}
