// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"bpflab/harness/host/lint"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/record"
	"bpflab/harness/job"
	"bpflab/runner"
	"bpflab/vm/kernels"
)

// graded is what a program reads of a grade.
type graded struct {
	Score    float64
	Passed   bool
	Complete bool
	Kernels  []struct {
		Name    string
		Release string
		Score   float64
		Tasks   []gradedTask
	}
}

type gradedTask struct {
	ID       string
	Status   string
	Measured struct {
		Value float64
		Unit  string
	}
	Message string
	Details []string
}

// matrix is the kernels that these tests grade on: an old one and a new one, or all with
// BPFLAB_KERNELS=all.
func matrix() []string {
	if os.Getenv("BPFLAB_KERNELS") == "all" {
		return kernels.Names()
	}
	return []string{"5.10", "6.12"}
}

var builtDir string // empty: not built

// built is the command as people have it, with the guests' agent beside it. A test binary has none beside
// it, and builds one in each run.
var built = sync.OnceValues(func() (path string, err error) {
	if builtDir, err = os.MkdirTemp("", "bpflab-test-"); err != nil {
		return "", err
	}
	root, err := runner.ModuleRoot()
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("make", "-C", root, "bpflab", "BIN="+builtDir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(builtDir, "bpflab"), nil
})

func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	path, err := built()
	require.NoError(t, err)
	return exec.CommandContext(t.Context(), path, args...)
}

func gradeArgs(lab, cache, from string, names []string) []string {
	return []string{"grade", lab, "--from", from, "--cache", cache, "--kernels", strings.Join(names, ","), "--format", "json"}
}

// grade runs the command and returns its exit status, what it printed and what it noted.
func grade(t testing.TB, lab, cache, from string, names []string, more ...string) (int, []byte, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := command(t, append(gradeArgs(lab, cache, from, names), more...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stdout.Bytes(), stderr.String()
}

// gradeHere is the same in this process, where the race detector watches, if it is on.
func gradeHere(t testing.TB, lab, cache, from string, names []string) (int, []byte, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), &stdout, &stderr, gradeArgs(lab, cache, from, names))
	return code, stdout.Bytes(), stderr.String()
}

func parse(t testing.TB, report []byte) (g graded) {
	t.Helper()
	require.NoError(t, json.Unmarshal(report, &g), "%s", report)
	return g
}

func solution(t testing.TB) string { return solutionOf(t, "lab12_1") }
func starter(t testing.TB) string  { return starterOf(t, "lab12_1") }

func solutionOf(t testing.TB, lab string) string { return filepath.Join(clone(t), "solutions", lab) }
func starterOf(t testing.TB, lab string) string  { return filepath.Join(clone(t), "labs", lab) }

// newCache is a cache that has kernels and nothing else.
func newCache(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(sharedCache(t), "kernels"), filepath.Join(dir, "kernels")))
	return dir
}

// warmCache is a cache that has kernels and, of one of them, copies of the snapshots that are in use.
func warmCache(t testing.TB, kernel string) string {
	t.Helper()
	firstReceipt(t, "lab12_1", solution(t)) // makes them
	dir := newCache(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "snapshots"), 0o755))
	for _, kind := range []job.Guest{job.Exact, job.SMP} {
		files, err := filepath.Glob(filepath.Join(sharedCache(t), "snapshots", fmt.Sprintf("%s-%s-*.vm", kernel, kind)))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		used := func(file string) time.Time {
			info, err := os.Stat(file)
			require.NoError(t, err)
			return info.ModTime()
		}
		last := slices.MaxFunc(files, func(a, b string) int { return used(a).Compare(used(b)) })
		for _, file := range []string{last, strings.TrimSuffix(last, ".vm") + ".json"} {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "snapshots", filepath.Base(file)), data, 0o644))
		}
	}
	return dir
}

func TestGradeSolution(t *testing.T) {
	for _, lab := range labs {
		t.Run(lab.Name, func(t *testing.T) {
			first := firstGradeOf(t, lab.Name, solutionOf(t, lab.Name))
			require.Equal(t, exitPassed, first.code, "%s\n%s", first.report, first.notes)
			g := parse(t, first.report)
			assert.True(t, g.Passed && g.Complete)
			assert.EqualValues(t, 100, g.Score)
			built, err := command(t, "version").Output()
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(string(built), "bpflab "+first.receipt.Tools["bpflab"]+", "), "%s: %s", built, first.receipt.Tools["bpflab"])
			require.Len(t, g.Kernels, len(matrix()))
			for i, k := range g.Kernels {
				assert.Equal(t, matrix()[i], k.Name)
				assert.True(t, strings.HasPrefix(k.Release, k.Name+"."), k.Release)
			}

			if lab.Name != "lab12_1" { // TestSameUnderLoad has the others
				return
			}
			// Twice at once, on one cache: what is counted is the same however busy the
			// machine is.
			var wg sync.WaitGroup
			var (
				reports [2][]byte
				said    [2]string
			)
			for i := range reports {
				wg.Go(func() {
					_, reports[i], said[i] = grade(t, lab.Name, sharedCache(t), solutionOf(t, lab.Name), matrix())
				})
			}
			wg.Wait()
			for i, report := range reports {
				assert.Equal(t, string(first.report), string(report), "notes of the first:\n%s\nand of this one:\n%s", first.notes, said[i])
			}
		})
	}
}

func TestGradeStarter(t *testing.T) {
	for _, lab := range labs {
		result := firstReceipt(t, lab.Name, starterOf(t, lab.Name)).Judge(lab.Tasks)
		assert.True(t, result.Complete, lab.Name)
		assert.False(t, result.Passed(), lab.Name)
		assert.GreaterOrEqual(t, result.Score, 25.0, lab.Name)
		assert.LessOrEqual(t, result.Score, 50.0, lab.Name)
	}
}

// Each wrong submission fails for the reason that it names. Guests of two CPUs are asked only where those
// of one did not give the reason: most submissions fail before.
func TestGradeWrong(t *testing.T) {
	h := hostOn(sharedCache(t), io.Discard)
	two := make(chan struct{}, 2)
	for _, lab := range labs {
		folders, err := lint.Wrong(clone(t), lab)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(folders), 8, lab.Name)
		for _, folder := range folders {
			t.Run(lab.Name+"/"+filepath.Base(folder), func(t *testing.T) {
				t.Parallel()
				two <- struct{}{}
				defer func() { <-two }()
				want, err := lint.ReadWant(folder, lab)
				require.NoError(t, err)
				names := matrix()
				if want.Kernels == nil && len(names) == 2 {
					names = names[1:] // where all kernels agree, one will do
				}
				source, err := runner.FindSubmission(lab, folder)
				require.NoError(t, err)
				g, err := h.Prepare(t.Context(), lab, source, names)
				require.NoError(t, err)
				for _, kinds := range [][]job.Guest{{job.Exact}, {job.SMP}} {
					require.NoError(t, g.Observe(t.Context(), kinds, false))
					if want.Check(g.Receipt.Judge(lab.Tasks)) == nil {
						return
					}
				}
				require.NoError(t, g.Observe(t.Context(), lab.Guests, true))
				assert.NoError(t, want.Check(g.Receipt.Judge(lab.Tasks)))
			})
		}
	}
}

// A guest that cannot run is never a zero.
func TestGradeInfrastructure(t *testing.T) {
	bin := t.TempDir()
	fake := "#!/bin/sh\n[ \"$1\" = --version ] && echo QEMU emulator version 90.0 && exit\necho out of luck >&2\nexit 1\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte(fake), 0o755))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	code, report, notes := gradeHere(t, "lab12_1", newCache(t), solution(t), []string{"6.12"})
	require.Equal(t, exitInfra, code, "%s\n%s", report, notes)
	g := parse(t, report)
	assert.False(t, g.Complete)
	assert.False(t, g.Passed)
	require.Len(t, g.Kernels, 1)
	for _, task := range g.Kernels[0].Tasks {
		assert.Equal(t, "error", task.Status, task.ID)
		assert.Contains(t, task.Message, "out of luck")
	}
	assert.Contains(t, notes, "trying once more")
	assert.NotContains(t, notes, "qemu-system-x86_64 -nodefaults")
}

// A grade keeps its receipt for hints, and where it was told to. That it cannot be kept for hints is no reason to
// withhold the grade; that it cannot be kept where somebody expects it is an error. Nothing runs: the submission is
// refused.
func TestGradeKeepsReceipt(t *testing.T) {
	bin := t.TempDir()
	fake := "#!/bin/sh\necho QEMU emulator version 90.0\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte(fake), 0o755))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv(receiptKey, "a key")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	from, cache := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(from, labs[0].File), []byte("int x\n"), 0o644))
	grade := func(receipt string) (int, string, string) {
		return bpflab(t, "grade", labs[0].Name, "--from", from, "--kernels", "6.12", "--cache", cache, "--receipt", receipt)
	}

	asked, last := filepath.Join(t.TempDir(), "receipt.json"), record.Of(labs[0].Name).Receipt()
	code, out, notes := grade(asked)
	require.Equal(t, exitFailed, code, notes)
	assert.Contains(t, out, "does not compile")
	r, err := receipt.ReadFile(asked)
	require.NoError(t, err)
	_, err = r.Check(labs[0].Tasks, "a key")
	require.NoError(t, err, "sealed with the key")
	kept, err := receipt.ReadFile(last)
	require.NoError(t, err)
	assert.Equal(t, r, kept)

	for _, way := range []string{filepath.Dir(last), filepath.Join(last, "in the way")} { // a file in the place of a folder, and the reverse
		require.NoError(t, os.RemoveAll(filepath.Dir(last)))
		require.NoError(t, os.MkdirAll(filepath.Dir(way), 0o755))
		require.NoError(t, os.WriteFile(way, nil, 0o644))
		code, out, notes = grade(asked)
		assert.Equal(t, exitFailed, code, notes)
		assert.Contains(t, out, "does not compile")
	}

	code, out, notes = grade(filepath.Join(t.TempDir(), "none", "receipt.json"))
	assert.Equal(t, exitInfra, code)
	assert.Contains(t, notes, "write the receipt: ")
	assert.Empty(t, out)
}

// The control run must succeed where nothing is wrong: where it fails, a submission that ends its guest is
// taken for the grader's trouble.
func TestControlsAreSound(t *testing.T) {
	h := hostOn(sharedCache(t), io.Discard)
	all, err := h.Kernels(t.Context(), matrix())
	require.NoError(t, err)
	var group errgroup.Group
	group.SetLimit(2) // a guest takes a core
	for _, lab := range labs {
		for _, k := range all {
			for _, kind := range lab.Guests {
				group.Go(func() error {
					o, err := h.Control(t.Context(), k, lab, kind)
					assert.NoError(t, err, "%s, Linux %s, %s", lab.Name, k.Name, kind)
					assert.NotEmpty(t, o, "%s, Linux %s, %s", lab.Name, k.Name, kind)
					return nil
				})
			}
		}
	}
	require.NoError(t, group.Wait())
}

// Where a lab has a Go program, it is part of what the seed is made from: else a student could try one
// program after another on the same traffic. The submission is refused in the end, so that nothing runs.
func TestSeedOfGoProgram(t *testing.T) {
	t.Setenv("BPFLAB_SEED_KEY", "")
	t.Setenv("BPFLAB_SEED_KEY_FILE", "")
	bin := t.TempDir()
	fake := "#!/bin/sh\necho QEMU emulator version 90.0\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte(fake), 0o755))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))

	lab := labs[1]
	h := hostOn(t.TempDir(), io.Discard)
	prepare := func(program string) receipt.Submission {
		from := t.TempDir()
		for name, more := range map[string]string{lab.File: "SEC(\"kprobe/do_exit\") int another(void *ctx) { return 0; }\n", lab.Program: program} {
			text, err := os.ReadFile(filepath.Join(solutionOf(t, lab.Name), name))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(from, name), append(text, more...), 0o644))
		}
		source, err := runner.FindSubmission(lab, from)
		require.NoError(t, err)
		g, err := h.Prepare(t.Context(), lab, source, []string{"6.12"})
		require.NoError(t, err)
		require.NotNil(t, g.Receipt.Refused)
		require.Contains(t, g.Receipt.Refused.Reason, "not allowed")
		return g.Receipt.Submission
	}
	one := prepare("")
	assert.Equal(t, one, prepare(""), "the same files in another folder")
	assert.NotEqual(t, one.Seed, prepare("// x\n").Seed, "another Go program")
}

// A snapshot that does not serve is made anew, and the grade is none the worse.
func TestGradeSnapshotRefused(t *testing.T) {
	cache := warmCache(t, "5.10")
	once := func() (int, []byte, string) {
		return grade(t, "lab12_1", cache, solution(t), []string{"5.10"})
	}
	_, first, _ := once()
	g := parse(t, first)
	require.True(t, g.Complete)
	snapshots, err := filepath.Glob(filepath.Join(cache, "snapshots/*.vm"))
	require.NoError(t, err)
	require.Len(t, snapshots, 2)
	for i, path := range snapshots {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		copy(data, "garbage")
		require.NoError(t, os.WriteFile(path, data, 0o644))
		if i == 0 {
			continue // its sum is wrong; of the other only QEMU can tell
		}
		name := strings.TrimSuffix(path, ".vm") + ".json"
		var record map[string]any
		old, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(old, &record))
		record["crc32c"] = crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
		forged, err := json.Marshal(record)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, forged, 0o644))
	}
	_, second, notes := once()
	again := parse(t, second)
	assert.True(t, again.Complete)
	assert.Equal(t, string(first), string(second))
	assert.Equal(t, 1, strings.Count(notes, "is damaged"))
	assert.Equal(t, 1, strings.Count(notes, "Not a migration stream"))
	assert.Equal(t, 2, strings.Count(notes, "trying once more"))

	_, _, notes = once()
	assert.Empty(t, notes, "the damaged snapshots were replaced")
	assertNoTemporaries(t, cache)
}

func assertNoTemporaries(t testing.TB, cache string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(cache, func(path string, _ fs.DirEntry, err error) error {
		name := filepath.Base(path)
		assert.False(t, strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".lock"), "%s is left", path)
		return err
	}))
}

// However a grade is ended, its guests end with it.
func TestGradeInterrupted(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			cache := newCache(t) // also marks what belongs to this run: QEMU's command line names it
			var stdout, stderr bytes.Buffer
			cmd := command(t, gradeArgs("lab12_1", cache, solution(t), []string{"6.12"})...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			require.NoError(t, cmd.Start())
			defer cmd.Process.Kill()
			require.Eventually(t, func() bool { return guests(t, cache) > 0 }, time.Minute, 10*time.Millisecond, "no guest: %s", &stderr)
			require.NoError(t, cmd.Process.Signal(sig))
			err := cmd.Wait()

			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			if sig == syscall.SIGKILL {
				assert.Eventually(t, func() bool { return guests(t, cache) == 0 }, 30*time.Second, 10*time.Millisecond, "guests left")
				return
			}
			assert.Zero(t, guests(t, cache), "guests left")
			assert.Equal(t, exitInfra, exit.ExitCode())
			assert.Contains(t, stderr.String(), "bpflab: interrupted: all guests are ended")
			assert.Empty(t, stdout.String())
			assertNoTemporaries(t, cache)
		})
	}
}

// guests returns how many QEMUs run whose command line names a folder.
func guests(t testing.TB, folder string) int { return len(guestIDs(t, folder)) }

// guestIDs returns their process IDs.
func guestIDs(t testing.TB, folder string) (ids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, name := range all {
		line, _ := os.ReadFile(name) // gone meanwhile, or a zombie: empty
		if strings.Contains(string(line), "-nodefaults") && strings.Contains(string(line), folder) {
			ids = append(ids, filepath.Base(filepath.Dir(name)))
		}
	}
	return ids
}
