// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "../.."

const controllerText = `//go:build ignore

package main

import "bpflab/harness/controller"

type half struct{}

func (half) Next(controller.Interval) float64 { return 0.5 }

func main() { controller.Main(func() controller.Controller { return half{} }) }
`

func buildProgram(t *testing.T, cache, text string) (*Program, error) {
	t.Helper()
	return BuildProgram(t.Context(), cache, module, write(t, "controller.go", text))
}

func assertNoBuilds(t *testing.T, cache string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(cache, "programs"))
	require.NoError(t, err)
	assert.Empty(t, left, "left in the cache")
}

func TestBuildProgram(t *testing.T) {
	cache := t.TempDir()
	one, err := buildProgram(t, cache, controllerText)
	require.NoError(t, err)
	two, err := buildProgram(t, t.TempDir(), controllerText)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(one.ELF, two.ELF), "the same file in two folders, the same bytes")
	assert.Equal(t, one, two)
	assert.Equal(t, hash(one.ELF), one.SHA256)
	assert.Equal(t, hash([]byte(controllerText)), one.SourceSHA256)
	assert.Regexp(t, `^go1\.`, one.Go)
	assertNoBuilds(t, cache)

	file, err := elf.NewFile(bytes.NewReader(one.ELF))
	require.NoError(t, err)
	assert.Equal(t, elf.EM_X86_64, file.Machine)
	for _, p := range file.Progs {
		assert.NotEqual(t, elf.PT_INTERP, p.Type, "a guest has no dynamic loader")
	}

	other, err := buildProgram(t, cache, controllerText+"\nvar _ = 1\n")
	require.NoError(t, err)
	assert.NotEqual(t, one.SourceSHA256, other.SourceSHA256)
}

// The environment does not get into a program.
func TestBuildProgramAlone(t *testing.T) {
	one, err := buildProgram(t, t.TempDir(), controllerText)
	require.NoError(t, err)
	for name, value := range map[string]string{
		"GOFLAGS": "-tags=other", "GOARCH": "arm64", "GOOS": "darwin", "CGO_ENABLED": "1", "GOAMD64": "v3", "GOEXPERIMENT": "nothing",
	} {
		t.Setenv(name, value)
	}
	two, err := buildProgram(t, t.TempDir(), controllerText)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(one.ELF, two.ELF))
}

func TestBuildProgramErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		text, message string
		line          int // 0: of no line
	}{
		"a name that is not there":   {"package main\n\nfunc main() { nothing() }\n", "undefined: nothing", 3},
		"not Go":                     {"package main\n\nfunc main( {\n", "syntax error", 3},
		"two of a kind":              {"package main\n\nfunc main() {\n\tvar a string = 1\n\t_ = a\n}\n", "cannot use 1", 4},
		"too large":                  {"package main\n\nvar big = [20 << 20]byte{1}\n\nfunc main() { println(&big) }\n", "the program is 21 MiB; 16 MiB is the most", 0},
		"another package":            {"\npackage events\n\nfunc main() {}\n", "package events: a submission's Go program is package main", 2},
		"C":                          {"package main\n\nimport \"C\"\n\nfunc main() {}\n", `import "C"`, 3},
		"another's package":          {"package main\n\nimport _ \"example.com/ringbuffer\"\n\nfunc main() {}\n", "example.com/ringbuffer", 3},
		"a package that is not ours": {"package main\n\nimport _ \"bpflab/harness/nothing\"\n\nfunc main() {}\n", "bpflab/harness/nothing", 3},
		"not for this machine":       {"package main\n\nimport _ \"runtime/cgo/nothing\"\n\nfunc main() {}\n", "runtime/cgo/nothing", 3},
		"nothing":                    {"", "expected 'package'", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := t.TempDir()
			_, err := buildProgram(t, cache, tt.text)
			var e *CompileError
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Diagnostics)
			first := e.Diagnostics[0]
			assert.Contains(t, e.Error(), tt.message)
			assert.Equal(t, e.Source, first.File)
			assert.Equal(t, tt.line, first.Line, first.String())
			_, err = os.Stat(filepath.Join(cache, "programs"))
			if !errors.Is(err, os.ErrNotExist) { // refused before anything was made
				assertNoBuilds(t, cache)
			}
		})
	}
}

func TestBuildProgramWithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := buildProgram(t, t.TempDir(), controllerText)
	require.ErrorIs(t, err, ErrNoGo)
	var e *CompileError
	assert.False(t, errors.As(err, &e), "that is not the submission's fault")
}

func TestBuildProgramInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cache := t.TempDir()
	_, err := BuildProgram(ctx, cache, module, write(t, "controller.go", controllerText))
	require.ErrorIs(t, err, context.Canceled)
	assertNoBuilds(t, cache)
}

func TestBuildProgramIsNotThere(t *testing.T) {
	_, err := BuildProgram(t.Context(), t.TempDir(), module, filepath.Join(t.TempDir(), "controller.go"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
