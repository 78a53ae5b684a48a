// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
	"bpflab/harness/host/build"
	"bpflab/harness/host/mutate"
	"bpflab/harness/host/policy"
	"bpflab/runner"
)

// mutantCPU is how much CPU time the grade of a mutant may take, QEMU's included.
const mutantCPU = 30 * time.Second

// A mutant is a lab's solution or starter with one small edit.
type mutant struct {
	mutate.Edit
	n    int
	from string // "solution" or "starter"
	file string // that was edited
}

func (m mutant) String() string { return fmt.Sprintf("%d, %s %s %v", m.n, m.from, m.file, m.Edit) }

// graded mutants.
type mutantOutcome struct {
	mutant
	class string // what the grader made of it
	first string // the first task that did not pass, its status and message
	score float64
	cpu   time.Duration
}

// mutants are the first n of a lab, of its solution and its starter, of the BPF file and the Go file in
// turn, as the seed draws them. Where one has no more edits, there are fewer.
func mutants(t testing.TB, lab *harness.Lab, seed uint64, n int) (list []mutant) {
	t.Helper()
	var queues [][]mutant
	for _, base := range []struct{ name, folder string }{{"solution", solutionOf(t, lab.Name)}, {"starter", starterOf(t, lab.Name)}} {
		for _, file := range []string{lab.File, lab.Program} {
			if file == "" {
				continue
			}
			text, err := os.ReadFile(filepath.Join(base.folder, file))
			require.NoError(t, err)
			edits := mutate.C
			if file == lab.Program {
				edits = func(program string) []mutate.Edit {
					list, err := mutate.Go(program)
					require.NoError(t, err)
					return list
				}
			}
			var queue []mutant
			for _, e := range mutate.Order(edits(string(text)), seed) {
				queue = append(queue, mutant{e, 0, base.name, file})
			}
			queues = append(queues, queue)
		}
	}
	for i := range n {
		q := &queues[i%len(queues)]
		if len(*q) == 0 {
			continue
		}
		m := (*q)[0]
		*q = (*q)[1:]
		m.n = i
		list = append(list, m)
	}
	return list
}

// folder is a submission of the mutant.
func (m mutant) folder(t testing.TB, lab *harness.Lab) string {
	t.Helper()
	from, dir := starterOf(t, lab.Name), t.TempDir()
	if m.from == "solution" {
		from = solutionOf(t, lab.Name)
	}
	for _, name := range []string{lab.File, lab.Program} {
		if name == "" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, name))
		require.NoError(t, err)
		if name == m.file {
			text = []byte(m.Text)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	return dir
}

// number reads one from the environment.
func number(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := cmp.Or(os.Getenv(name), strconv.Itoa(otherwise))
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "%s is a number", name)
	return n
}

// compiled is what of a submission a guest sees: two mutants of which it is equal need one grade. It is
// empty for what is refused.
func compiled(t testing.TB, lab *harness.Lab, cache, folder string) string {
	t.Helper()
	h := hostOn(cache, io.Discard)
	source, err := runner.FindSubmission(lab, folder)
	require.NoError(t, err)
	object, program, err := h.Build(t.Context(), lab, source)
	var compileError *build.CompileError
	if errors.As(err, &compileError) {
		return ""
	}
	require.NoError(t, err)
	spec, err := lab.Policy.Check(object.ELF)
	var violations *policy.Violations
	if errors.As(err, &violations) {
		return ""
	}
	require.NoError(t, err)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		m := spec.Maps[name]
		fmt.Fprintln(&b, name, m.Type, m.KeySize, m.ValueSize, m.MaxEntries, m.Flags, m.Contents)
	}
	for _, p := range spec.Programs {
		for _, ins := range p.Instructions {
			fmt.Fprintln(&b, ins.OpCode, ins.Dst, ins.Src, ins.Offset, ins.Constant, ins.Reference())
		}
	}
	if program != nil {
		b.WriteString(program.SHA256)
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(b.String())))
}

// classify says what a grade came to.
func classify(code int, g graded) (class, first string) {
	class = "pass"
	switch {
	case len(g.Kernels) == 0 || code == exitInfra || code == exitUsage || !g.Complete:
		class = "ERROR"
	case g.Score < 100 && g.Score > 0:
		class = "partial"
	case g.Score == 0:
		class = "fail"
	}
	for _, k := range g.Kernels {
		for _, task := range k.Tasks {
			if class == "ERROR" && task.Status != "error" || task.Status == "pass" || task.Status == "skip" {
				continue
			}
			switch {
			case task.ID != "verifier" || class == "ERROR":
			case strings.HasPrefix(task.Message, "does not compile"):
				class = "not compiled"
			case strings.HasPrefix(task.Message, "not allowed"):
				class = "not allowed"
			default:
				class = "rejected"
			}
			message := strings.Join(strings.Fields(strings.Join(append([]string{task.Message}, task.Details...), " ⏎ ")), " ")
			return class, fmt.Sprintf("%s:%s %.400s", task.ID, task.Status, message)
		}
	}
	return class, ""
}

// A student's next edit is seldom what anybody thought of. Whatever it is, the grader has an answer to
// it, and soon. BPFLAB_MUTANTS says how many of each lab are graded, BPFLAB_MUTANTS_AT_ONCE how many at a
// time, BPFLAB_MUTANTS_KERNEL on which kernel, and BPFLAB_MUTANTS_SEED draws others; a single one is
// TestMutants/LAB/NUMBER.
func TestMutants(t *testing.T) {
	cache := sharedCache(t)
	n, seed := number(t, "BPFLAB_MUTANTS", 2), number(t, "BPFLAB_MUTANTS_SEED", 1)
	kernel := []string{cmp.Or(os.Getenv("BPFLAB_MUTANTS_KERNEL"), "6.12")}
	grade(t, "lab12_1", cache, solution(t), kernel) // so that none has to wait for a guest to boot
	turns := make(chan struct{}, number(t, "BPFLAB_MUTANTS_AT_ONCE", 2))
	for _, lab := range labs {
		var (
			mu   sync.Mutex
			done []mutantOutcome
			seen = map[string]string{}
		)
		t.Run(lab.Name, func(t *testing.T) {
			for _, m := range mutants(t, lab, uint64(seed), n) {
				t.Run(strconv.Itoa(m.n), func(t *testing.T) {
					t.Parallel()
					turns <- struct{}{}
					defer func() { <-turns }()
					folder := m.folder(t, lab)
					sum := compiled(t, lab, cache, folder)
					mu.Lock()
					same, found := seen[sum]
					if found && sum != "" {
						done = append(done, mutantOutcome{mutant: m, class: "as another"})
						mu.Unlock()
						t.Logf("%v: compiled, it is %s", m, same)
						return
					}
					seen[sum] = m.String()
					mu.Unlock()

					var stdout, stderr strings.Builder
					cmd := command(t, gradeArgs(lab.Name, cache, folder, kernel)...)
					cmd.Stdout, cmd.Stderr = &stdout, &stderr
					if err := cmd.Run(); cmd.ProcessState == nil {
						t.Fatal(err)
					}
					var g graded
					if stdout.Len() > 0 {
						g = parse(t, []byte(stdout.String()))
					}
					o := mutantOutcome{mutant: m, score: g.Score, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
					o.class, o.first = classify(cmd.ProcessState.ExitCode(), g)
					t.Logf("%v\n\t%s, %v points, %.1f s of CPU\n\t%s", m, o.class, o.score, o.cpu.Seconds(), o.first)
					mu.Lock()
					done = append(done, o)
					mu.Unlock()
					assert.NotEqual(t, "ERROR", o.class, "%v\n%s\n%s", m, &stderr, m.Text)
					assert.LessOrEqual(t, o.cpu, mutantCPU, "%v\n%s\n%s", m, &stderr, m.Text)
				})
			}
		})
		t.Logf("%s\n%s", lab.Name, tally(done))
	}
}

// tally counts mutants by what became of them.
func tally(done []mutantOutcome) string {
	count, most, total := map[string]int{}, map[string]time.Duration{}, time.Duration(0)
	for _, o := range done {
		count[o.class]++
		most[o.class] = max(most[o.class], o.cpu)
		total += o.cpu
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s %6s  %s\n", "became", "count", "CPU at most")
	for _, class := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(&b, "%-14s %6d  %9.1f s\n", class, count[class], most[class].Seconds())
	}
	fmt.Fprintf(&b, "%-14s %6d  %9.1f s in all\n", "", len(done), total.Seconds())
	return b.String()
}

func TestTally(t *testing.T) {
	assert.Equal(t, `became          count  CPU at most
fail                2        3.0 s
pass                1        2.0 s
                    3        6.0 s in all
`, tally([]mutantOutcome{{class: "fail", cpu: time.Second}, {class: "pass", cpu: 2 * time.Second}, {class: "fail", cpu: 3 * time.Second}}))
}
