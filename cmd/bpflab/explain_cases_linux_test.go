// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/explain"
	"bpflab/runner"
	"bpflab/vm/kernels"
)

// explainCases are programs that are rejected for what people met in the field, each with one in which the fix is
// made. The first lines of rejected.bpf.c state verdicts as those in rejected/ do. After them, each line
//
//	// says part of the explanation|or this one
//
// is of what the explanation says wherever the program is rejected for the kind of the first line. fixed.bpf.c is
// accepted everywhere but where its first lines say otherwise: a fix does not bring a helper to an old kernel.
func explainCases(t testing.TB) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(explainData(t), "cases/*"))
	require.NoError(t, err)
	require.NotEmpty(t, dirs)
	return dirs
}

// says returns what an explanation has to say, in alternatives.
func says(t testing.TB, file string) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var all [][]string
	for line := range strings.Lines(string(text)) {
		if said, ok := strings.CutPrefix(strings.TrimSpace(line), "// says "); ok {
			all = append(all, strings.Split(said, "|"))
		}
	}
	return all
}

func TestExplainCases(t *testing.T) {
	var files []string
	for _, dir := range explainCases(t) {
		files = append(files, filepath.Join(dir, "rejected.bpf.c"), filepath.Join(dir, "fixed.bpf.c"))
	}
	names := matrix()
	if os.Getenv("BPFLAB_KERNELS") != "all" {
		names = names[len(names)-1:] // with two programs each they take long
	}
	if *update {
		require.Equal(t, kernels.Names(), names, "to write down what they say, BPFLAB_KERNELS=all")
	}
	h := hostOn(sharedCache(t), os.Stderr)
	all, err := h.explain(t.Context(), nil, files, nil, names, runner.Runs{})
	require.NoError(t, err)
	var messages strings.Builder
	for i, f := range all.Files {
		name := strings.TrimPrefix(files[i], explainData(t)+"/cases/")
		require.Empty(t, f.Broken)
		require.Len(t, f.Programs, 1)
		require.Len(t, f.Programs[0].On, len(names))
		wants, fixed := outcomes(t, files[i]), strings.HasSuffix(name, "/fixed.bpf.c")
		for n, l := range f.Programs[0].On {
			want, ok := wants[names[n]]
			if !ok && fixed {
				want = outcome{kind: "accepted"}
			} else if !ok {
				want = wants[""]
			}
			require.Empty(t, l.Error, "%s on Linux %s", name, names[n])
			explanation, _ := explain.Rejection(l.Report)
			got := explanation.Kind
			if l.Accepted {
				got = "accepted"
			}
			if !assert.Equal(t, want.kind, got, "%s on Linux %s: %s", name, names[n], l.Message) || l.Accepted {
				continue
			}
			assert.Contains(t, l.Message, want.text, "%s on Linux %s", name, names[n])
			if fixed || want.kind != wants[""].kind {
				continue
			}
			text := strings.Join(append(explanation.Lines(), l.Missing), "\n")
			for _, parts := range says(t, files[i]) {
				said := false
				for _, part := range parts {
					said = said || strings.Contains(text, part)
				}
				assert.True(t, said, "%s on Linux %s does not say %q:\n%s", name, names[n], parts, text)
			}
		}
		if !fixed {
			recordSaid(&messages, names, f.Programs[0])
		}
	}
	if *update {
		path := filepath.Join(explainData(t), "cases.txt")
		head := "# What kernels say of the programs in cases/: kind, kernels, instruction, message.\n"
		require.NoError(t, os.WriteFile(path, []byte(head+messages.String()), 0o644))
	}
}
