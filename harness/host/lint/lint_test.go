// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/policy"
)

func newLab(root string) *harness.Lab {
	return &harness.Lab{
		Name: "lab0", File: "a.bpf.c", Program: "b.go", Starter: os.DirFS(filepath.Join(root, "labs/lab0")),
		Tasks: []judge.Task{
			{ID: "verifier", Title: "verifier", Points: 40, Hints: judge.Hints("a", "b", "c")},
			{ID: "counts", Title: "exact counts", Points: 60, Hints: judge.Hints("d", "e", "f")},
		},
	}
}

// write makes a clone with a lab that is whole.
func write(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for _, folder := range []string{"labs/lab0/", "labs/lab0/starter/"} {
		put(folder+"a.bpf.c", "/* TODO 1: fix it */\n")
		put(folder+"b.go", "// TODO 2: fix it\n")
	}
	put("labs/lab0/README.md", "# Lab 0\n\n"+strings.Join(sections[:3], "\n\n")+"\n### 1. verifier\n### 2. exact counts\n\n"+strings.Join(sections[3:], "\n\n")+"\n")
	put("solutions/lab0/a.bpf.c", "fixed\n")
	put("solutions/lab0/b.go", "fixed\n")
	for i := range minWrong {
		folder := "solutions/lab0/wrong/" + string(rune('a'+i))
		put(folder+"/a.bpf.c", "// want counts:fail \"0 counted\"\n")
		put(folder+"/b.go", "fixed\n")
	}
	return root
}

func TestTexts(t *testing.T) {
	root := write(t)
	require.Empty(t, Texts(root, newLab(root)))
	for name, tt := range map[string]struct {
		change func(t *testing.T, root string, lab *harness.Lab)
		want   string
	}{
		"no file":          {remove("labs/lab0/b.go"), "b.go is not the starter's; bpflab reset lab0 brings it back"},
		"no starter kept":  {func(_ *testing.T, _ string, lab *harness.Lab) { lab.Starter = nil }, "it has no Starter"},
		"edited":           {replace("labs/lab0/b.go", "fix", "fixed"), "b.go is not the starter's"},
		"no starter":       {remove("labs/lab0/starter/b.go"), "the starter: open starter/b.go: no such file"},
		"no TODO":          {replace("labs/lab0/starter/a.bpf.c", "TODO 1", "done"), "a.bpf.c has no TODO"},
		"TODO for no task": {replace("labs/lab0/starter/a.bpf.c", "TODO 1", "TODO 3"), "names no task"},
		"TODO for two":     {replace("labs/lab0/starter/a.bpf.c", "TODO 1:", "TODO 1, TODO 3:"), "names no task"},
		"TODO left":        {replace("solutions/lab0/b.go", "fixed", "TODO 1"), "solution's b.go has a TODO"},
		"no README":        {remove("labs/lab0/README.md"), "README.md"},
		"section missing":  {replace("labs/lab0/README.md", "## How to check", "## How"), `lacks "## How to check"`},
		"task not told of": {replace("labs/lab0/README.md", "### 2. exact counts", ""), `lacks "### 2. exact counts"`},
		"too few wrong":    {remove("solutions/lab0/wrong/a"), "there are 7 wrong submissions"},
		"no verdict named": {replace("solutions/lab0/wrong/a/a.bpf.c", "// want", "// wants"), "expected one file whose first line names the verdict"},
		"two verdicts":     {replace("solutions/lab0/wrong/a/b.go", "fixed", "// want counts:fail \"more\""), "found 2"},
		"too few hints": {func(_ *testing.T, _ string, lab *harness.Lab) { lab.Tasks[1].Hints = lab.Tasks[1].Hints[:2] },
			"task counts has 2 hints"},
		"points": {func(_ *testing.T, _ string, lab *harness.Lab) { lab.Tasks[1].Points = 50 }, "worth 90 points"},
	} {
		t.Run(name, func(t *testing.T) {
			root := write(t)
			lab := newLab(root)
			tt.change(t, root, lab)
			assert.Contains(t, strings.Join(Texts(root, lab), "\n"), tt.want)
		})
	}
}

func remove(name string) func(*testing.T, string, *harness.Lab) {
	return func(t *testing.T, root string, _ *harness.Lab) {
		require.NoError(t, os.RemoveAll(filepath.Join(root, name)))
	}
}

func replace(name, from, to string) func(*testing.T, string, *harness.Lab) {
	return func(t *testing.T, root string, _ *harness.Lab) {
		path := filepath.Join(root, name)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(text), from)
		require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), from, to)), 0o644))
	}
}

// result is one of two kernels, on which a task did not pass.
func result(status judge.Status, message string, kernels ...string) (r judge.Result) {
	for _, name := range []string{"5.10", "6.12"} {
		task := judge.TaskResult{ID: "counts", Verdict: judge.Verdict{Status: judge.Pass}}
		for _, k := range kernels {
			if k == name {
				task.Status, task.Message = status, message
			}
		}
		r.Kernels = append(r.Kernels, judge.KernelResult{Name: name, Tasks: []judge.TaskResult{{ID: "verifier", Verdict: judge.Verdict{Status: judge.Pass}}, task}})
	}
	return r
}

func TestWant(t *testing.T) {
	everywhere := Want{Task: "counts", Status: judge.Fail, Message: "0 counted"}
	one := everywhere
	one.Kernels = []string{"5.10"}
	for name, tt := range map[string]struct {
		want   Want
		result judge.Result
		err    string
	}{
		"as named":             {everywhere, result(judge.Fail, "64: 0 counted", "5.10", "6.12"), ""},
		"as named, on one":     {one, result(judge.Fail, "0 counted", "5.10"), ""},
		"passes":               {everywhere, result(judge.Fail, "0 counted", "5.10"), "Linux 6.12: expected counts:fail, and every task passes"},
		"on another kernel":    {one, result(judge.Fail, "0 counted", "5.10", "6.12"), "Linux 6.12: expected no counts:fail"},
		"for another reason":   {everywhere, result(judge.Fail, "all counted", "5.10", "6.12"), `found counts:fail with "all counted"`},
		"with another verdict": {everywhere, result(judge.Partial, "0 counted", "5.10", "6.12"), "found counts:partial"},
	} {
		err := tt.want.Check(tt.result)
		if tt.err == "" {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, tt.err, name)
		}
	}
}

func TestUnused(t *testing.T) {
	lab := &harness.Lab{Policy: policy.Policy{
		Maps:    []policy.Map{{Name: "counts", Types: []ebpf.MapType{ebpf.Hash, ebpf.Array}}},
		Helpers: []asm.BuiltinFunc{asm.FnMapLookupElem, asm.FnKtimeGetNs},
	}}
	used := &ebpf.CollectionSpec{
		Maps:     map[string]*ebpf.MapSpec{"counts": {Type: ebpf.Array}},
		Programs: map[string]*ebpf.ProgramSpec{"p": {Instructions: asm.Instructions{asm.FnMapLookupElem.Call(), asm.Return()}}},
	}
	assert.Empty(t, Unused(lab, []*ebpf.CollectionSpec{used}, "a HASH, and bpf_ktime_get_ns"))
	found := Unused(lab, []*ebpf.CollectionSpec{used}, "")
	require.Len(t, found, 2)
	assert.Contains(t, found[0], "bpf_ktime_get_ns")
	assert.Contains(t, found[1], "Hash for counts")
}

func TestStarterAndSolution(t *testing.T) {
	open := result(judge.Fail, "", "5.10")
	open.Score, open.MaxScore = 40, 100
	assert.Empty(t, Starter(open))
	assert.Len(t, Solution(open), 1)
	open.Score = 51
	assert.Len(t, Starter(open), 1)
	passed := result(judge.Pass, "")
	passed.Complete, passed.Score, passed.MaxScore = true, 100, 100
	assert.Len(t, Starter(passed), 2)
	assert.Empty(t, Solution(passed))
}
