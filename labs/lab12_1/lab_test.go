// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/build"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/policy"
	"bpflab/harness/job"
	"bpflab/labs/lab12_1/anchors"
	"bpflab/labs/lab12_1/observe"
)

const (
	starter  = "counter.bpf.c"
	solution = "../../solutions/lab12_1/counter.bpf.c"
	wrongs   = "../../solutions/lab12_1/wrong"
)

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// compile builds a file and checks it against the lab's policy, as the grader does.
func compile(t testing.TB, path string) (*ebpf.CollectionSpec, error) {
	t.Helper()
	object, err := build.Compile(t.Context(), t.TempDir(), path)
	require.NotErrorIs(t, err, build.ErrNoClang)
	if err != nil {
		return nil, err
	}
	return Lab.Policy.Check(object.ELF)
}

func TestTasks(t *testing.T) {
	var points, correctness float64
	before := map[string]bool{}
	for i, task := range Lab.Tasks {
		assert.False(t, before[task.ID], "task %q twice", task.ID)
		assert.LessOrEqual(t, utf8.RuneCountInString(task.Title), 22, "%q: the report has 22 columns for it", task.Title)
		for _, need := range task.Needs {
			assert.True(t, before[need], "task %q needs %q, which does not come before it", task.ID, need)
		}
		before[task.ID] = true
		points += task.Points
		if i < 3 {
			correctness += task.Points
		}
	}
	assert.Equal(t, 100.0, points)
	assert.GreaterOrEqual(t, correctness, 50.0, "what is right is worth half at least")
}

func TestHints(t *testing.T) {
	seen := map[string]bool{}
	for _, task := range Lab.Tasks {
		assert.GreaterOrEqual(t, len(task.Hints), 3, "hints for %q", task.ID)
		for i, hint := range task.Hints {
			assert.NotEmpty(t, strings.TrimSpace(hint.Text), "hint %d for %q", i+1, task.ID)
			assert.False(t, seen[hint.Text], "given twice: %q", hint.Text)
			seen[hint.Text] = true
		}
		// The last hint may name the answer, the first may not.
		for _, answer := range []string{"PERCPU", "__sync_fetch_and_add", "bpf_htons", "BPF_MAP_TYPE_ARRAY"} {
			if len(task.Hints) > 0 {
				assert.NotContains(t, task.Hints[0].Text, answer, "the first hint for %q", task.ID)
			}
		}
	}
	for id := range hints {
		assert.True(t, slices.ContainsFunc(Lab.Tasks, func(task judge.Task) bool { return task.ID == id }), "hints for a task %q that is none", id)
	}
}

// Starters are given out unsolved, and each TODO names the task that it is about.
func TestStarterIsUnsolved(t *testing.T) {
	todos := map[int]int{}
	for _, m := range regexp.MustCompile(`(?:\* |, )TODO(?: (\d+))?`).FindAllStringSubmatch(read(t, starter), -1) {
		n, err := strconv.Atoi(m[1])
		assert.NoError(t, err, "a TODO without the number of its task")
		todos[n]++
	}
	for n := 3; n <= 7; n++ {
		assert.Positive(t, todos[n], "a TODO for task %d, %s", n, Lab.Tasks[n-1].Title)
		delete(todos, n)
	}
	assert.Empty(t, todos, "TODOs for what is no task, or is solved")
	assert.NotContains(t, read(t, solution), "TODO")
}

func TestREADME(t *testing.T) {
	text := read(t, "README.md")
	at := 0
	for _, heading := range []string{
		"# Lab 12.1", "## Start here", "## What you will build and learn", "## How it works", "## The frames that count",
		"## The tasks", "## How to check", "## What these figures cannot see", "## Going further",
	} {
		i := strings.Index(text[at:], "\n"+heading)
		if at == 0 && strings.HasPrefix(text, heading) {
			i = 0
		}
		if assert.GreaterOrEqual(t, i, 0, "%q, in this order", heading) {
			at += i
		}
	}
	for i, task := range Lab.Tasks {
		assert.Contains(t, text, "\n### "+strconv.Itoa(i+1)+". "+task.Title+"\n", "a section for each task")
	}
	// Ten minutes at 200 words a minute, tables and screens apart.
	prose := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
	words := len(strings.Fields(prose))
	assert.Less(t, words, 2500, "words")
	assert.Greater(t, words, 500, "words")
}

var wantLine = regexp.MustCompile(`^// want (\w+):(\w+)(?:@([\d.]+(?:,[\d.]+)*))? "([^"]+)"$`)

// want is what a wrong submission says of itself: the first task that it does not pass.
type want struct {
	task    string
	status  judge.Status
	kernels []string // empty: all
	message string   // a part of it
}

func wants(t testing.TB) map[string]want {
	t.Helper()
	entries, err := os.ReadDir(wrongs)
	require.NoError(t, err)
	all := map[string]want{}
	for _, e := range entries {
		first, _, _ := strings.Cut(read(t, filepath.Join(wrongs, e.Name(), Lab.File)), "\n")
		m := wantLine.FindStringSubmatch(first)
		if !assert.NotNil(t, m, "%s: the first line names the verdict, as in // want counts:fail \"0 counted\"; it is %q", e.Name(), first) {
			continue
		}
		w := want{task: m[1], status: judge.Status(m[2]), message: m[4]}
		if m[3] != "" {
			w.kernels = strings.Split(m[3], ",")
		}
		all[e.Name()] = w
	}
	return all
}

func TestWrongSubmissionsNameTheirVerdicts(t *testing.T) {
	all := wants(t)
	assert.GreaterOrEqual(t, len(all), 8)
	tasks := map[string]int{}
	for name, w := range all {
		assert.True(t, slices.ContainsFunc(Lab.Tasks, func(task judge.Task) bool { return task.ID == w.task }), "%s: no task is called %q", name, w.task)
		assert.Contains(t, []judge.Status{judge.Fail, judge.Partial}, w.status, "%s: what a submission can be blamed for", name)
		for _, k := range w.kernels {
			assert.Contains(t, []string{"5.10", "6.1", "6.12", "6.18", "7.3"}, k, name)
		}
		assert.Less(t, len(w.kernels), 5, "%s: all kernels are told by naming none", name)
		files, err := os.ReadDir(filepath.Join(wrongs, name))
		require.NoError(t, err)
		for _, f := range files {
			assert.True(t, f.Name() == Lab.File || filepath.Ext(f.Name()) == ".h", "%s: a submission is one file and its headers, and has %s", name, f.Name())
		}
		tasks[w.task]++
	}
	for _, id := range []string{"verifier", "counts", "concurrency", "sharing", "hot_path", "calls", "throughput"} {
		assert.Positive(t, tasks[id], "a submission that gets no further than %q", id)
	}
}

func TestPolicyAcceptsStarterAndSolution(t *testing.T) {
	for _, path := range []string{starter, solution} {
		spec, err := compile(t, path)
		require.NoError(t, err, path)
		assert.Contains(t, spec.Programs, observe.Program)
	}
}

// The policy is the lab's own; that it holds back what a guest has no room for is tested
// here, how it reads an object in its package.
func TestPolicyRefuses(t *testing.T) {
	text := read(t, solution)
	for name, tt := range map[string]struct{ from, to, message string }{
		"a map type that cannot be read":  {"BPF_MAP_TYPE_PERCPU_ARRAY", "BPF_MAP_TYPE_QUEUE", "map counts"},
		"too few entries":                 {"max_entries, 256", "max_entries, 255", "at least 256 entries"},
		"too much memory":                 {"max_entries, 256", "max_entries, 100000", "bytes of memory"},
		"a verdict that cannot be set":    {"const volatile __u32 verdict", "volatile __u32 verdict", "variable verdict"},
		"a verdict of another width":      {"const volatile __u32 verdict", "const volatile __u64 verdict", "variable verdict"},
		"a program for another hook":      {`SEC("xdp")`, `SEC("tc")`, "program count_packets"},
		"a helper that reaches elsewhere": {"protocol = ip->protocol;", "protocol = ip->protocol;\n\tbpf_redirect(1, 0);", "bpf_redirect"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, text, tt.from)
			path := filepath.Join(t.TempDir(), Lab.File)
			require.NoError(t, os.WriteFile(path, []byte(strings.Replace(text, tt.from, tt.to, 1)), 0o644))
			_, err := compile(t, path)
			var violations *policy.Violations
			require.ErrorAs(t, err, &violations)
			assert.ErrorContains(t, err, tt.message)
		})
	}
}

// The task must be open for the starter and done by the solution, with room for what
// another clang makes of it.
func TestHotPath(t *testing.T) {
	of := func(file string) path {
		spec, err := compile(t, file)
		require.NoError(t, err)
		o, err := Lab.Inspect(spec)
		require.NoError(t, err)
		p, err := job.Get[path](o, "path")
		require.NoError(t, err)
		return p
	}
	was, is := of(starter), of(solution)
	assert.Greater(t, was.Instructions, pathTarget+10, "the starter")
	assert.Less(t, is.Instructions, pathTarget-10, "the solution")
	assert.Equal(t, "Hash", was.MapType)
	assert.Equal(t, "PerCPUArray", is.MapType)
	assert.Empty(t, is.Problem)
	assert.InDelta(t, was.Instructions, was.Naive, 10, "the starter is what submissions are compared with")
	assert.Equal(t, was.Naive, is.Naive)
	assert.False(t, was.NeverInserts, "the starter inserts")
	assert.False(t, is.NeverInserts, "an array is never empty")
	empty := filepath.Join(t.TempDir(), Lab.File)
	require.NoError(t, os.WriteFile(empty, []byte(strings.ReplaceAll(read(t, solution), "PERCPU_ARRAY", "HASH")), 0o644))
	assert.True(t, of(empty).NeverInserts)

	loop := of(filepath.Join(wrongs, "loop", Lab.File))
	assert.Contains(t, loop.Problem, "no static bound")
	assert.Zero(t, loop.Instructions)
}

// The compiled anchors are the files that they say they are.
func TestAnchors(t *testing.T) {
	for name, tt := range map[string]struct {
		load func() (*ebpf.CollectionSpec, error)
		file string
	}{
		"naive":     {anchors.LoadNaive, starter},
		"reference": {anchors.LoadReference, solution},
		"empty":     {anchors.LoadEmpty, "anchors/empty.bpf.c"},
		"racy":      {anchors.LoadRacy, "anchors/racy.bpf.c"},
	} {
		anchor, err := tt.load()
		require.NoError(t, err)
		require.Contains(t, anchor.Programs, observe.Program, name)
		require.Contains(t, anchor.Variables, "verdict", name)
		object, err := build.Compile(t.Context(), t.TempDir(), tt.file)
		require.NoError(t, err)
		fresh, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object.ELF))
		require.NoError(t, err)
		if m := fresh.Maps["counts"]; m != nil {
			require.Contains(t, anchor.Maps, "counts", name)
			assert.Equal(t, m.Type, anchor.Maps["counts"].Type, "%s: run go generate", name)
		}
		assert.InDelta(t, len(fresh.Programs[observe.Program].Instructions), len(anchor.Programs[observe.Program].Instructions), 10, "%s: run go generate", name)
	}
}

// A compile error is a verdict, not a crash of the grader.
func TestCompileErrorIsTheSubmissions(t *testing.T) {
	_, err := compile(t, filepath.Join(wrongs, "missing_include", Lab.File))
	var e *build.CompileError
	require.True(t, errors.As(err, &e), "%v", err)
	assert.NotEmpty(t, e.Diagnostics)
}
