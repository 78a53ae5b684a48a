// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/record"
	"bpflab/harness/job"
	"bpflab/runner"
	"bpflab/vm/kernels"
)

// refusedReceipt is a receipt of lab12_1 that needed no guest.
func refusedReceipt(t testing.TB, change func(*receipt.Receipt)) string {
	t.Helper()
	lab := labs[0]
	r := &receipt.Receipt{
		Lab: lab.Name, Submission: receipt.Submission{File: lab.File, SHA256: strings.Repeat("ab", 32)},
		Tools: map[string]string{"qemu": "7.2"}, Kernels: []receipt.Kernel{{Name: "6.12"}},
		Refused: &receipt.Refusal{Reason: "does not compile: \x1b[2J", Details: []string{"score  100/100\npassed on all 5 kernels."}},
	}
	_, err := r.Close(lab.Tasks, "")
	require.NoError(t, err)
	change(r)
	var b bytes.Buffer
	require.NoError(t, r.Write(&b))
	name := filepath.Join(t.TempDir(), "receipt.json")
	require.NoError(t, os.WriteFile(name, b.Bytes(), 0o644))
	return name
}

func bpflab(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, notes bytes.Buffer
	code = run(t.Context(), &out, &notes, args)
	return code, out.String(), notes.String()
}

func TestReceiptsOfOthers(t *testing.T) {
	good := refusedReceipt(t, func(*receipt.Receipt) {})
	code, out, notes := bpflab(t, "judge", good)
	assert.Equal(t, exitFailed, code, notes)
	assert.Contains(t, out, fmt.Sprintf("\nnote: graded on 1 of %d kernels\nnote: no key: the seal detects accidental changes, not deliberate ones\n", len(kernels.Names())))
	assert.Contains(t, out, "\n│ score  100/100\n│ passed on all 5 kernels.\n")
	assert.Contains(t, out, `does not compile: \u001b[2J`)
	assert.NotContains(t, out, "\x1b")
	code, out, _ = bpflab(t, "compare", good, good)
	assert.Equal(t, exitPassed, code)
	assert.Contains(t, out, "agree: digest ")

	for name, tt := range map[string]struct {
		code   int
		want   string
		change func(*receipt.Receipt)
	}{
		"seal":        {exitFailed, "its seal does not fit", func(r *receipt.Receipt) { r.Score = 100 }},
		"digest":      {exitFailed, "its seal does not fit", func(r *receipt.Receipt) { r.Digest = strings.Repeat("0", 64) }},
		"kernel name": {exitUsage, "is not of its form", func(r *receipt.Receipt) { r.Kernels[0].Name = "../../x" }},
		"terminal":    {exitUsage, "is not of its form", func(r *receipt.Receipt) { r.Kernels[0].Name = "\x1b[2J" }},
	} {
		t.Run(name, func(t *testing.T) {
			forged := refusedReceipt(t, tt.change)
			for _, args := range [][]string{{"judge", forged}, {"compare", good, forged}, {"compare", forged, good}, {"hint", "lab12_1", "--receipt", forged}} {
				began := time.Now()
				code, out, notes := bpflab(t, args...)
				if args[0] != "hint" {
					assert.Equal(t, tt.code, code, args)
					assert.Equal(t, 1, strings.Count(notes, "\n"), "one line: %s", notes)
				}
				assert.NotZero(t, code)
				assert.Contains(t, notes, tt.want)
				assert.Empty(t, out)
				assert.NotContains(t, notes, "\x1b")
				assert.Less(t, time.Since(began), time.Minute)
			}
		})
	}
	for name, change := range map[string]func(*receipt.Receipt){
		"file":    func(r *receipt.Receipt) { r.Submission.File = "other.bpf.c" },
		"program": func(r *receipt.Receipt) { r.Submission.Program = "other.go" },
	} {
		code, _, notes := bpflab(t, "judge", refusedReceipt(t, func(r *receipt.Receipt) {
			change(r)
			_, err := r.Close(labs[0].Tasks, "")
			require.NoError(t, err)
		}))
		assert.Equal(t, exitUsage, code, name)
		assert.Contains(t, notes, "other.", name)
	}
}

// That a key is missing is the caller's trouble, and says nothing of the receipt.
func TestJudgeWithoutKey(t *testing.T) {
	t.Setenv(receiptKey, "")
	keyed := refusedReceipt(t, func(r *receipt.Receipt) {
		_, err := r.Close(labs[0].Tasks, "secret")
		require.NoError(t, err)
	})
	code, out, notes := bpflab(t, "judge", keyed)
	assert.Equal(t, exitUsage, code, notes)
	assert.Contains(t, notes, "seal needs a key: set "+receiptKey)
	assert.Empty(t, out)

	t.Setenv(receiptKey, "another secret")
	code, _, notes = bpflab(t, "judge", keyed)
	assert.Equal(t, exitFailed, code, notes)
	t.Setenv(receiptKey, "secret")
	code, out, notes = bpflab(t, "judge", keyed)
	assert.Equal(t, exitFailed, code, notes)
	assert.Contains(t, out, "does not compile", "sealed with this key, and judged")
}

// Who compares in a script goes by the exit status. A tool that made no difference is named, and no more.
func TestCompareStatus(t *testing.T) {
	t.Setenv(receiptKey, "")
	changed := func(change func(*receipt.Receipt)) string {
		return refusedReceipt(t, func(r *receipt.Receipt) {
			change(r)
			_, err := r.Close(labs[0].Tasks, "")
			require.NoError(t, err)
		})
	}
	one := changed(func(*receipt.Receipt) {})
	for _, tt := range []struct {
		other string
		code  int
		want  []string
	}{
		{changed(func(r *receipt.Receipt) { r.Refused.Reason = "not allowed" }), exitFailed, []string{"differ: digests ", "first difference: verdict, refused\n"}},
		{changed(func(r *receipt.Receipt) { r.Tools["qemu"] = "10" }), exitPassed, []string{"agree: digest ", "first difference: tool, qemu\n"}},
	} {
		code, out, notes := bpflab(t, "compare", one, tt.other)
		assert.Equal(t, tt.code, code, "%s%s", out, notes)
		for _, want := range tt.want {
			assert.Contains(t, out, want)
		}
		assert.Empty(t, notes, "the difference is no error")
	}
}

// A receipt of a lab that this bpflab does not have is refused, and one of its own is judged and drawn.
func TestJudgeKnowsItsLabs(t *testing.T) {
	t.Setenv(receiptKey, "")
	code, out, notes := bpflab(t, "judge", refusedReceipt(t, func(r *receipt.Receipt) {
		r.Lab = "lab99"
		_, err := r.Close(labs[0].Tasks, "")
		require.NoError(t, err)
	}))
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, notes, `no lab is called "lab99"`)
	assert.Empty(t, out)

	plots := filepath.Join(t.TempDir(), "plots")
	code, _, notes = bpflab(t, "judge", refusedReceipt(t, func(*receipt.Receipt) {}), "--plots", plots)
	assert.Equal(t, exitFailed, code, notes)
	assert.DirExists(t, plots)
}

// However many lines differ, each side of the difference is one.
func TestCompareOnOneLine(t *testing.T) {
	t.Setenv(receiptKey, "")
	one, other := refusedReceipt(t, func(*receipt.Receipt) {}), refusedReceipt(t, func(r *receipt.Receipt) {
		r.Refused.Details = []string{"a", "b"}
		_, err := r.Close(labs[0].Tasks, "")
		require.NoError(t, err)
	})
	_, out, _ := bpflab(t, "compare", one, other)
	lines := strings.Split(out, "\n")
	require.Len(t, lines, 5, out)
	assert.Equal(t, "first difference: verdict, refused", lines[1])
	assert.True(t, strings.HasPrefix(lines[2], "  "+one+": does not compile"), lines[2])
	assert.Contains(t, lines[2], `\nscore  100/100\npassed on all 5 kernels.`)
	assert.True(t, strings.HasPrefix(lines[3], "  "+other+": does not compile"), lines[3])
	assert.Contains(t, lines[3], `\na\nb`)
}

// Who has the key is told nothing of seals. Who has none is told which were not checked, and compares all the
// same.
func TestKeyedNotes(t *testing.T) {
	keyed := refusedReceipt(t, func(r *receipt.Receipt) {
		_, err := r.Close(labs[0].Tasks, "secret")
		require.NoError(t, err)
	})
	open := refusedReceipt(t, func(*receipt.Receipt) {})
	t.Setenv(receiptKey, "secret")
	_, out, notes := bpflab(t, "judge", keyed)
	assert.Contains(t, out, "does not compile")
	assert.NotContains(t, out+notes, "no key")
	for key, unchecked := range map[string]int{"secret": 0, "": 1} {
		t.Setenv(receiptKey, key)
		code, out, notes := bpflab(t, "compare", open, keyed)
		assert.Equal(t, exitPassed, code, notes)
		assert.Contains(t, out, "agree: digest ")
		assert.Equal(t, unchecked, strings.Count(notes, keyed+": its seal needs the key that it was made with, and was not checked\n"), notes)
		assert.NotContains(t, notes, open)
	}

	// A seal that is wrong is told with its receipt's name.
	t.Setenv(receiptKey, "another secret")
	for _, args := range [][]string{{"compare", open, keyed}, {"compare", keyed, open}} {
		code, out, notes := bpflab(t, args...)
		assert.Equal(t, exitFailed, code)
		assert.Contains(t, notes, keyed+": receipt was changed: its seal does not fit")
		assert.Empty(t, out)
	}
}

// Hints that there are not, and those of another lab's grade, are refused and none is shown.
func TestHintRefuses(t *testing.T) {
	lab := labs[0]
	all := len(lab.Tasks[1].Hints)
	none := filepath.Join(t.TempDir(), "none.json") // no grade before
	for step, ok := range map[int]bool{-1: false, 0: false, 1: true, all: true, all + 1: false} {
		code, out, notes := bpflab(t, "hint", lab.Name, "2", "--receipt", none, "--step", strconv.Itoa(step))
		if ok {
			assert.Equal(t, exitPassed, code, notes)
			assert.Equal(t, step, strings.Count(out, "\n\n")-strings.Count(out, "\nmore: ")-strings.Count(out, "\nThis was the last hint"), "hints: %s", out)
			continue
		}
		assert.Equal(t, exitUsage, code, "step %d: %s", step, notes)
		assert.Contains(t, notes, fmt.Sprintf("has hints 1 to %d, not %d", all, step))
		assert.Empty(t, out, "step %d", step)
	}

	code, out, notes := bpflab(t, "hint", labs[1].Name, "--receipt", refusedReceipt(t, func(*receipt.Receipt) {}))
	assert.Equal(t, exitUsage, code, notes)
	assert.Contains(t, notes, "a receipt of lab12_1, not of lab12_2")
	assert.Empty(t, out)
}

// What was refused was not run, and there is nothing else to hint at for the first task.
func TestHintAfterRefusal(t *testing.T) {
	lab, refused := labs[0], refusedReceipt(t, func(*receipt.Receipt) {})
	for _, task := range []string{"", "1", lab.Tasks[0].ID, "2"} {
		code, out, notes := bpflab(t, slices.DeleteFunc([]string{"hint", lab.Name, task, "--receipt", refused}, func(arg string) bool { return arg == "" })...)
		assert.Equal(t, exitPassed, code, notes)
		if task == "2" {
			assert.Contains(t, out, "task 2, "+lab.Tasks[1].Title)
			assert.NotContains(t, out, "your last grade")
			continue
		}
		assert.Contains(t, out, "your last grade: does not compile")
		assert.Contains(t, out, "\n│ score  100/100\n")
		assert.Contains(t, out, "Fix this first: nothing was run.")
	}
}

// gradedReceipt is a receipt of lab12_1 with three tasks, as long as the test runs. verdicts are what is seen
// of these tasks, on each kernel.
func gradedReceipt(t testing.TB, key string, verdicts ...[3]judge.Verdict) string {
	t.Helper()
	ids := []string{"one", "two", "three"}
	old := labs[0].Tasks
	t.Cleanup(func() { labs[0].Tasks = old })
	labs[0].Tasks = nil
	for _, id := range ids {
		labs[0].Tasks = append(labs[0].Tasks, judge.Task{
			ID: id, Title: "task " + id, Points: 10, Hints: judge.Hints("look at "+id, "change "+id), Symptoms: map[string]string{"LATE": "be early"},
			Judge: func(o job.Observations) (judge.Verdict, error) { return job.Get[judge.Verdict](o, id) },
		})
	}
	return refusedReceipt(t, func(r *receipt.Receipt) {
		r.Refused, r.Kernels = nil, nil
		for i, list := range verdicts {
			o := job.Observations{}
			for n, v := range list {
				require.NoError(t, o.Set(ids[n], v))
			}
			r.Kernels = append(r.Kernels, receipt.Kernel{Name: fmt.Sprint("6.", i), Guest: map[job.Guest]job.Observations{job.Exact: o}})
		}
		_, err := r.Close(labs[0].Tasks, key)
		require.NoError(t, err)
	})
}

// A grade says which task to hint at, and what for: the first task that did not pass, as on the first kernel.
func TestHintByGrade(t *testing.T) {
	t.Setenv(receiptKey, "")
	var (
		pass = judge.Verdict{Status: judge.Pass, Fraction: 1}
		late = judge.Verdict{Status: judge.Partial, Fraction: 0.5, Cell: "LATE", Message: "5 ms late"}
		busy = judge.Verdict{Status: judge.Fail, Cell: "BUSY", Message: "never asleep"}
		none = judge.Verdict{Status: judge.Inconclusive, Message: "too noisy"}
	)
	for _, tt := range []struct {
		name     string
		verdicts [][3]judge.Verdict
		args     []string
		want     string
	}{
		{
			"the first task that failed", [][3]judge.Verdict{{pass, late, busy}, {pass, busy, pass}}, nil,
			"task 2, task two\n\nyour last grade: 5 ms late\n\n1. be early\n\nmore: ./bpflab hint lab12_1 2 --step 2\n",
		}, {
			"all hints", [][3]judge.Verdict{{pass, late, busy}}, []string{"--step", "3"},
			"task 2, task two\n\nyour last grade: 5 ms late\n\n1. be early\n\n2. look at two\n\n3. change two\n\nThis was the last hint for this task.\n",
		}, {
			"on the second kernel only", [][3]judge.Verdict{{pass, pass, pass}, {pass, pass, busy}}, nil,
			"task 3, task three\n\nyour last grade: never asleep\n\n1. look at three\n\nmore: ./bpflab hint lab12_1 3 --step 2\n",
		}, {
			"a task that passed", [][3]judge.Verdict{{pass, late, busy}}, []string{"one"},
			"task 1, task one\n\n1. look at one\n\nmore: ./bpflab hint lab12_1 1 --step 2\n",
		}, {
			"all passed", [][3]judge.Verdict{{pass, pass, pass}}, nil,
			"your last grade passed every task\n",
		}, {
			"nothing is known to be wrong", [][3]judge.Verdict{{pass, none, pass}}, nil,
			"1  one          task one (2 hints)\n2  two          task two (2 hints)\n3  three        task three (2 hints)\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := gradedReceipt(t, "", tt.verdicts...)
			code, out, notes := bpflab(t, append([]string{"hint", labs[0].Name, "--receipt", file}, tt.args...)...)
			assert.Equal(t, exitPassed, code, notes)
			assert.Equal(t, tt.want, out)
		})
	}

	// A seal that can be checked is.
	keyed := gradedReceipt(t, "a key", [3]judge.Verdict{pass, pass, pass})
	t.Setenv(receiptKey, "another key")
	code, out, notes := bpflab(t, "hint", labs[0].Name, "--receipt", keyed)
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, notes, "its seal does not fit")
	assert.Empty(t, out)
}

// Hints go by the user's last grade, and say so if it was of other files than those that are there now.
func TestHintGoesByLastGrade(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	lab, from, other := labs[0], t.TempDir(), t.TempDir()
	write := func(folder, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, lab.File), []byte(text), 0o644))
	}
	write(from, "one")
	write(other, "two")
	shown := func(args ...string) string {
		code, out, notes := bpflab(t, append([]string{"hint", lab.Name, "--from", from}, args...)...)
		assert.Equal(t, exitPassed, code, notes)
		return out
	}
	add := func(folder string, change func(*receipt.Receipt)) {
		source, err := runner.FindSubmission(lab, folder)
		require.NoError(t, err)
		now, err := stateOf(source)
		require.NoError(t, err)
		r, err := receipt.ReadFile(refusedReceipt(t, change))
		require.NoError(t, err)
		_, err = remember(lab, now, r, r.Judge(lab.Tasks))
		require.NoError(t, err)
	}
	const refused = "your last grade: does not compile"
	assert.Contains(t, shown(), "exact counts (4 hints)", "no grade yet")
	add(from, func(*receipt.Receipt) {})
	assert.True(t, strings.HasPrefix(shown(), refused), shown())
	assert.Contains(t, shown(), "Fix this first")
	assert.Contains(t, shown("3"), "1. Two CPUs can be between", "another task has its hints")

	write(from, "three")
	assert.True(t, strings.HasPrefix(shown(), "Your files have changed since the last grade (just now), which this goes by. ./bpflab grade lab12_1 --from "), shown())
	assert.Contains(t, shown(), refused)
	require.NoError(t, os.WriteFile(filepath.Join(from, "own.h"), []byte("// a header"), 0o644))
	write(from, "#include \"own.h\"\n")
	add(from, func(*receipt.Receipt) {})
	require.NoError(t, os.WriteFile(filepath.Join(from, "own.h"), []byte("// another"), 0o644))
	assert.Contains(t, shown(), "have changed", "a header belongs to it")

	add(other, func(*receipt.Receipt) {})
	assert.True(t, strings.HasPrefix(shown(), "Your last grade was of "+other+", not of "+from+", so these hints are not based on a grade.\n\nnot graded yet: ./bpflab grade lab12_1 --from "+from+"\n\n1  verifier"), shown())

	add(from, func(r *receipt.Receipt) {
		r.Refused = nil
		r.Kernels[0].Error = "out of luck"
		_, err := r.Close(lab.Tasks, "")
		require.NoError(t, err)
	})
	assert.Contains(t, shown(), "your last grade could not be completed, which is not your submission's fault: Linux "+"6.12: out of luck")
	assert.Contains(t, shown(), "./bpflab doctor")
	assert.Contains(t, shown("3"), "1. Two CPUs can be between")

	require.NoError(t, os.WriteFile(record.Of(lab.Name).Receipt(), []byte("{"), 0o644))
	code, _, notes := bpflab(t, "hint", lab.Name, "--from", from)
	assert.Equal(t, exitUsage, code, "a grade that cannot be read is not none")
	assert.Contains(t, notes, "expected JSON")
}

// A panic of a judge is told in a line, as the grader's trouble.
func TestPanicIsTold(t *testing.T) {
	old := labs[0].Tasks
	t.Cleanup(func() { labs[0].Tasks = old })
	name := refusedReceipt(t, func(r *receipt.Receipt) {
		r.Refused = nil
		labs[0].Tasks = []judge.Task{{ID: "verifier", Points: 1, Judge: func(job.Observations) (judge.Verdict, error) { return judge.Verdict{Status: judge.Fail}, nil }}}
		_, err := r.Close(labs[0].Tasks, "")
		require.NoError(t, err)
	})
	labs[0].Tasks = []judge.Task{{ID: "verifier", Points: 1, Judge: func(job.Observations) (judge.Verdict, error) { panic("out of\nbounds") }}}
	for _, args := range [][]string{{"judge", name}, {"hint", "lab12_1", "--receipt", name}} {
		code, out, notes := bpflab(t, args...)
		assert.Equal(t, exitInfra, code)
		assert.Empty(t, out)
		assert.Equal(t, 1, strings.Count(notes, "\n"), notes)
		assert.Contains(t, notes, `bug of bpflab, please report it with the receipt: out of\nbounds`)
	}
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	err := guarded(func(_ *cobra.Command, args []string) error { return errors.New(args[3]) })(cmd, []string{"one"})
	assert.ErrorContains(t, err, "index out of range")
}
