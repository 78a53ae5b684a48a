// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/visible"
	"bpflab/harness/job"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with testdata/name, which -update writes.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test -update writes it")
	assert.Equal(t, string(want), got, "%s: go test -update writes what is printed now", path)
}

// verdicts of one kernel, in the order of the tasks.
type verdicts []judge.Verdict

// graded judges four tasks on kernels of which that was seen. A kernel without verdicts is
// one that the grader could not observe.
func graded(t *testing.T, kernels []string, seen map[string]verdicts) Report {
	t.Helper()
	ids := []string{"verifier", "counts", "path", "speed"}
	titles := []string{"verifier", "exact counts", "hot path ≤ 50 insns", "vitesse à l'arrivée"}
	points := []float64{20, 20, 20, 40}
	var tasks []judge.Task
	for i, id := range ids {
		tasks = append(tasks, judge.Task{ID: id, Title: titles[i], Points: points[i], Judge: func(o job.Observations) (judge.Verdict, error) {
			return job.Get[judge.Verdict](o, id)
		}})
	}
	tasks[3].Needs = []string{"counts"}
	var cases []judge.Case
	for _, k := range kernels {
		c := judge.Case{Kernel: k, Release: k + ".0-test", Observations: job.Observations{}}
		if seen[k] == nil {
			c.Err = errors.New("boot: no word from the guest after 60 s")
		}
		for i, v := range seen[k] {
			require.NoError(t, c.Observations.Set(ids[i], v))
		}
		cases = append(cases, c)
	}
	return report(judge.Judge(tasks, cases))
}

func report(r judge.Result) Report {
	return Report{
		Lab: "lab12_1", Title: "High-performance packet counter", File: "counter.bpf.c",
		SourceSHA256: "4f1c09e5d0a7b3c2", Result: r,
		Environment: map[string]string{"qemu": "QEMU emulator version 7.2", "clang": "clang <14>"},
	}
}

var (
	ok    = judge.Verdict{Status: judge.Pass, Fraction: 1}
	wrong = judge.Verdict{
		Status: judge.Fail, Cell: "WRONG", Message: `frames of the kind "ARP": 16 counted, 0 should have been`,
		Measured: judge.Quantity{Value: 16, Unit: "packets counted wrong"}, Target: judge.Quantity{Unit: "packets counted wrong"},
	}
	rejected = judge.Verdict{
		Status: judge.Fail, Cell: "NO", Message: "rejected: R0 invalid mem access",
		Details: []string{"36: if (c)", "R0 invalid mem access 'map_value_or_null' & <more>"},
	}
	long = judge.Verdict{
		Status: judge.Partial, Fraction: 0.4, Cell: "61", Message: "61 instructions; 50 is the target\nand a second line",
		Measured: judge.Quantity{Value: 61, Unit: "BPF instructions"}, Target: judge.Quantity{Value: 50, Unit: "BPF instructions"},
	}
	fast = judge.Verdict{
		Status: judge.Pass, Fraction: 1, Cell: "1.24M",
		Measured: judge.Quantity{Value: 1240000, Unit: "packets/s (virtual)"}, Target: judge.Quantity{Value: 1.2e6, Unit: "packets/s (virtual)"},
	}
	noisy = judge.Verdict{Status: judge.Inconclusive, Message: "too noisy to tell"}
	skip  = judge.Verdict{Status: judge.Skip, Message: "no live frames before 5.18"}
)

// reports are one of each sort.
func reports(t *testing.T) map[string]Report {
	tasks := []judge.Task{{ID: "verifier", Title: "verifier", Points: 40}, {ID: "counts", Title: "exact counts", Points: 60}}
	refused := report(judge.Refused(tasks, []string{"5.10", "6.12"}, "not allowed in this lab",
		[]string{`map counts: expected one of the types Hash, Array`, `call: "bpf_trace_printk"`}))
	refused.Refused = &Refusal{"not allowed in this lab", []string{`map counts: expected one of the types Hash, Array`, `call: "bpf_trace_printk"`}}
	refused.Program, refused.ProgramSHA256 = "consumer.go", "0dbf543a8c1e2f"
	return map[string]Report{
		"passed": graded(t, []string{"5.10", "6.12"}, map[string]verdicts{"5.10": {ok, ok, ok, fast}, "6.12": {ok, ok, ok, fast}}),
		"mixed": graded(t, []string{"5.10", "6.12", "linux-next-é"}, map[string]verdicts{
			"5.10": {ok, ok, long, fast}, "6.12": {ok, wrong, long, fast}, "linux-next-é": {ok, ok, long, noisy},
		}),
		"rejected-by-one":    graded(t, []string{"5.10", "6.12"}, map[string]verdicts{"5.10": {rejected, wrong, long, fast}, "6.12": {ok, ok, ok, fast}}),
		"skipped":            graded(t, []string{"5.10", "6.12"}, map[string]verdicts{"5.10": {ok, ok, ok, skip}, "6.12": {ok, ok, long, fast}}),
		"one-kernel-lost":    graded(t, []string{"5.10", "6.12"}, map[string]verdicts{"6.12": {ok, ok, long, fast}}),
		"last-kernel-lost":   graded(t, []string{"5.10", "6.12"}, map[string]verdicts{"5.10": {ok, ok, long, fast}}),
		"skipped-and-passed": graded(t, []string{"5.10"}, map[string]verdicts{"5.10": {skip, ok, ok, fast}}),
		"all-lost":           graded(t, []string{"5.10"}, nil),
		"refused":            refused,
		"no-kernels":         report(judge.Judge(tasks, nil)),
	}
}

func printed(t *testing.T, r Report, colour bool) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.Text(&b, Style{Colour: colour}))
	return b.String()
}

var escape = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestText(t *testing.T) {
	for name, r := range reports(t) {
		plain := printed(t, r, false)
		golden(t, name+".txt", plain)
		assert.NotContains(t, plain, "\x1b", "%s: colour is off", name)
		for line := range strings.Lines(plain) {
			assert.Equal(t, strings.TrimRight(line, " \n")+"\n", line, "%s: blanks at the end of a line", name)
		}

		coloured := printed(t, r, true)
		assert.Equal(t, plain, escape.ReplaceAllString(coloured, ""), "%s: colour must change nothing else", name)
		if len(r.Result.Kernels) > 0 && r.Refused == nil {
			assert.Contains(t, coloured, "\x1b[", "%s: colour is on", name)
		}
		assert.Equal(t, strings.Count(coloured, "\x1b[0m")*2, strings.Count(coloured, "\x1b["), "%s: every colour must end", name)
	}
}

// Details are there to fix what failed: none of what passed, and once where kernels agree.
func TestTextDetails(t *testing.T) {
	passed, other := ok, rejected
	passed.Details = []string{"nothing to fix"}
	rejected := rejected
	rejected.Message = "rejected: 2.5 of 3 wrong"
	newer := rejected
	newer.Details = append([]string{"what a newer kernel adds"}, rejected.Details...)
	other.Message = "rejected: 30 of 45 wrong"
	other.Details = []string{"what only one kernel says"}
	text := printed(t, graded(t, []string{"5.10", "6.1", "6.12"}, map[string]verdicts{
		"5.10": {rejected, passed, ok, fast}, "6.1": {other, ok, ok, fast}, "6.12": {newer, ok, ok, fast},
	}), false)
	assert.Equal(t, 1, strings.Count(text, "36: if (c)"), text)
	assert.Contains(t, text, "│ R0 invalid mem access 'map_value_or_null' & <more>\n  on 6.12; on the others alike: --details\n")
	assert.Contains(t, text, "│ what a newer kernel adds\n")
	assert.NotContains(t, text, "what only one kernel says")
	assert.NotContains(t, text, "nothing to fix")
}

// With details, each kernel's message is shown, once where kernels agree.
func TestTextMessages(t *testing.T) {
	other, silent, fast := rejected, ok, fast
	other.Message, silent.Message, fast.Message = "rejected for something else", "", "as fast on all"
	r := graded(t, []string{"5.10", "6.1", "6.12", "6.18"}, map[string]verdicts{
		"5.10": {rejected, ok, ok, fast}, "6.1": {other, ok, ok, fast}, "6.12": {rejected, ok, ok, fast}, "6.18": {silent, ok, ok, fast},
	})
	assert.NotContains(t, printed(t, r, false), other.Message)
	var b bytes.Buffer
	require.NoError(t, r.Text(&b, Style{Details: true, Width: 200}))
	assert.Contains(t, b.String(), "\n 1 5.10 and 6.12: "+rejected.Message)
	assert.Contains(t, b.String(), "\n   6.1: "+other.Message+"\n")
	assert.NotContains(t, b.String(), "6.18: ")
	assert.Equal(t, 1, strings.Count(b.String(), fast.Message), "where all agree")
}

// All evidence is shown to those who ask for it; else a screen of it at most.
func TestTextLongDetails(t *testing.T) {
	long, other := rejected, rejected
	long.Details = nil
	for i := range 30 {
		long.Details = append(long.Details, fmt.Sprint("line ", i))
	}
	other.Details = []string{"what only one kernel says"}
	other.Message = "rejected for something else"
	r := graded(t, []string{"5.10", "6.1", "6.12"}, map[string]verdicts{
		"5.10": {long, ok, ok, fast}, "6.1": {other, ok, ok, fast}, "6.12": {long, ok, ok, fast},
	})
	text := printed(t, r, false)
	assert.Contains(t, text, "\n   on 5.10, 6.12:\n│ line 0\n")
	assert.Contains(t, text, "\n│ line 23\n  6 more lines: --details\n   on 6.1:\n│ what only one kernel says\n")
	long.Details = long.Details[:25]
	r.Result.Kernels[0].Tasks[0].Details, r.Result.Kernels[2].Tasks[0].Details = long.Details, long.Details
	assert.Contains(t, printed(t, r, false), "\n│ line 24\n", "one line is not cut off for a line that says so")

	long.Details = append(long.Details, "line 25", "line 26")
	r.Result.Kernels[0].Tasks[0].Details = long.Details
	var b bytes.Buffer
	require.NoError(t, r.Text(&b, Style{Details: true}))
	assert.Contains(t, b.String(), "\n   on 5.10:\n│ line 0\n")
	assert.Contains(t, b.String(), "│ line 26\n   on 6.1:\n")
	assert.Contains(t, b.String(), "\n   on 6.12:\n│ line 0\n")
	assert.NotContains(t, b.String(), "--details")
}

// Lines are broken between words, and nowhere else.
func TestWrap(t *testing.T) {
	assert.Equal(t, "./bpflab hint --from\n/tmp/a-long-name 3", Wrap("./bpflab hint --from /tmp/a-long-name 3", 24))
	assert.Equal(t, "the pointer\nc->packets", Wrap("the pointer c->packets", 15))
}

// Whatever a report says, it fits, and nothing of the table is lost.
func TestTextFits(t *testing.T) {
	for name, r := range reports(t) {
		r.Notes = []string{"a note of many words that goes on and on, as notes do when there is much to be known of a score"}
		r.Next = []string{"next: task 2. ./bpflab hint lab12_1 --from /home/student/a/folder/with/a/long/name/of/no/use 2\n- a list of things that goes on for longer than a line of fifty columns\n- and ends"}
		r.Change = "+2.0 since the last grade"
		for i := range r.Result.Kernels {
			task := &r.Result.Kernels[i].Tasks[0]
			task.Details = append(slices.Clone(task.Details), strings.Repeat("long ", 60), strings.Repeat("x", 300))
		}
		assert.Contains(t, printed(t, r, false), "\n- a list of things that goes on for longer than a line of fifty columns\n- and ends\n")
		for _, width := range []int{10, 50, 63, 80, 120} {
			var b bytes.Buffer
			require.NoError(t, r.Text(&b, Style{Width: width}))
			for line := range strings.Lines(b.String()) {
				assert.LessOrEqual(t, utf8.RuneCountInString(line)-1, max(width, 50), "%s at %d: %s", name, width, line)
			}
			if len(r.Result.Kernels) > 0 {
				assert.Contains(t, b.String(), "+2.0 since the last grade")
			}
		}
	}
	var many []string
	seen := map[string]verdicts{}
	for i := range 9 {
		many = append(many, fmt.Sprintf("5.%d", 10+i))
		seen[many[i]] = verdicts{ok, wrong, long, fast}
	}
	var b bytes.Buffer
	require.NoError(t, graded(t, many, seen).Text(&b, Style{Width: 50}))
	assert.Equal(t, 4, strings.Count(b.String(), "\n 2 "), "three tables, and what was found")
	for _, name := range many {
		assert.Equal(t, 1, strings.Count(b.String(), name+" ")+strings.Count(b.String(), name+"\n"), name)
	}
}

// Whatever letters a title or a kernel's name has, columns end where they should.
func TestTextAligns(t *testing.T) {
	lines := strings.Split(printed(t, reports(t)["mixed"], false), "\n")
	end := func(line, word string) int {
		t.Helper()
		before, _, found := strings.Cut(line, word)
		require.True(t, found, "%q in %q", word, line)
		return utf8.RuneCountInString(before + word)
	}
	head, verifier, counts, path, speed := lines[2], lines[3], lines[4], lines[5], lines[6]
	assert.Equal(t, end(head, "6.12"), end(counts, "WRONG"), "counts")
	first := end(head, "5.10")
	for line, word := range map[string]string{verifier: "ok", counts: "ok", path: "61", speed: "1.24M"} {
		assert.Equal(t, first, end(line, word), "first column of %q", line)
	}
	last := end(head, "linux-next-é")
	assert.Equal(t, last, end(speed, "~"), "the last column")
	points := end(head, "points")
	for line, word := range map[string]string{verifier: "20/20", counts: "0/20", path: "8/20", speed: "0/40"} {
		assert.Equal(t, points, end(line, word), "points of %q", line)
	}
	assert.Equal(t, points, end(lines[7], "28/100"), "score")
}

// Of kernels that do not say the same the first with trouble speaks, the grader's before the submission's. Where
// it has nothing to say, nobody does.
func TestMessage(t *testing.T) {
	said := func(status judge.Status, fraction float64, message string) judge.Verdict {
		return judge.Verdict{Status: status, Fraction: fraction, Message: message}
	}
	full, silent := said(judge.Pass, 1, "500 instructions"), said(judge.Pass, 1, "")
	partial, bad, lost := said(judge.Partial, 0.5, "half way"), said(judge.Fail, 0, "bad"), said(judge.Error, 0, "no guest")
	for _, tt := range []struct {
		verdicts verdicts // on k0, k1, ...
		want     string
	}{
		{verdicts{full}, "500 instructions"},
		{verdicts{bad, bad}, "bad"},
		{verdicts{full, silent}, "k0: 500 instructions"},
		{verdicts{silent, full}, ""},
		{verdicts{full, said(judge.Partial, 0.5, "")}, ""},
		{verdicts{full, partial, bad}, "k2: bad"},
		{verdicts{full, bad, said(judge.Fail, 0, "bad as well")}, "k1: bad"},
		{verdicts{bad, lost}, "k1: no guest"},
		{verdicts{lost, bad, partial}, "k0: no guest"},
	} {
		var kernels []judge.KernelResult
		for i, v := range tt.verdicts {
			kernels = append(kernels, judge.KernelResult{Name: fmt.Sprint("k", i), Tasks: []judge.TaskResult{{}, {Verdict: v}}})
		}
		assert.Equal(t, tt.want, message(kernels, 1), "%+v", tt.verdicts)
	}
}

func TestPaint(t *testing.T) {
	for status, want := range map[judge.Status]string{
		judge.Pass: "\x1b[32mx\x1b[0m", judge.Partial: "\x1b[33mx\x1b[0m", judge.Fail: "\x1b[31mx\x1b[0m", judge.Error: "\x1b[35mx\x1b[0m",
		judge.Skip: "x", judge.Inconclusive: "x",
	} {
		assert.Equal(t, want, (&text{Style: Style{Colour: true}}).paint(status, "x"), status)
		assert.Equal(t, "x", (&text{}).paint(status, "x"), status)
	}
}

func TestPoints(t *testing.T) {
	for p, want := range map[float64]string{0: "0", 10: "10", 8.3: "8.3", 100: "100", 0.1: "0.1", 66.7: "66.7"} {
		assert.Equal(t, want, Points(p))
	}
}

func writeJSON(t *testing.T, r Report) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.JSON(&b))
	return b.String()
}

func TestJSON(t *testing.T) {
	golden(t, "mixed.json", writeJSON(t, reports(t)["mixed"]))
	golden(t, "rejected-by-one.json", writeJSON(t, reports(t)["rejected-by-one"]))
}

// What others read: these names and types do not change within schema 1.
func TestJSONShape(t *testing.T) {
	for name, r := range reports(t) {
		var got struct {
			Schema   *int     `json:"schema"`
			Lab      *string  `json:"lab"`
			Score    *float64 `json:"score"`
			MaxScore *float64 `json:"max_score"`
			Passed   *bool    `json:"passed"`
			Kernels  *[]struct {
				Name    *string  `json:"name"`
				Release *string  `json:"release"`
				Score   *float64 `json:"score"`
				Tasks   *[]struct {
					ID        *string        `json:"id"`
					Title     *string        `json:"title"`
					Status    *string        `json:"status"`
					Points    *float64       `json:"points"`
					MaxPoints *float64       `json:"max_points"`
					Measured  map[string]any `json:"measured"`
					Target    map[string]any `json:"target"`
					Message   *string        `json:"message"`
					Details   []string       `json:"details"` // beyond the contract
				} `json:"tasks"`
			} `json:"kernels"`
			Environment map[string]string `json:"environment"`
			// Beyond the contract:
			File     *string `json:"file"`
			SHA256   *string `json:"sha256"`
			Complete *bool   `json:"complete"`
			Refused  *struct {
				Reason  string   `json:"reason"`
				Details []string `json:"details"`
			} `json:"refused"`
		}
		raw := writeJSON(t, r)
		dec := json.NewDecoder(strings.NewReader(raw))
		dec.DisallowUnknownFields()
		require.NoError(t, dec.Decode(&got), name)
		_, err := dec.Token()
		assert.ErrorIs(t, err, io.EOF, "%s: one document and nothing after it", name)

		require.NotNil(t, got.Schema, name)
		assert.Equal(t, 1, *got.Schema)
		require.NotNil(t, got.Lab)
		assert.Equal(t, "lab12_1", *got.Lab)
		require.NotNil(t, got.Score)
		assert.Equal(t, r.Result.Score, *got.Score, name)
		require.NotNil(t, got.MaxScore)
		assert.Equal(t, 100.0, *got.MaxScore)
		require.NotNil(t, got.Passed)
		assert.Equal(t, strings.HasSuffix(name, "passed"), *got.Passed, name)
		require.NotNil(t, got.Complete)
		assert.Equal(t, !strings.HasSuffix(name, "lost"), *got.Complete, name)
		assert.Equal(t, "clang <14>", got.Environment["clang"], "%s: no HTML escapes", name)
		assert.Contains(t, raw, "clang <14>", name)
		assert.Equal(t, r.Refused != nil, got.Refused != nil, name)
		require.NotNil(t, got.Kernels, "%s: a list, if empty", name)
		require.Len(t, *got.Kernels, len(r.Result.Kernels))
		for i, k := range *got.Kernels {
			require.NotNil(t, k.Name)
			require.NotNil(t, k.Release)
			require.NotNil(t, k.Score)
			require.NotNil(t, k.Tasks)
			assert.Equal(t, r.Result.Kernels[i].Name, *k.Name)
			assert.Equal(t, r.Result.Kernels[i].Release, *k.Release)
			assert.Equal(t, r.Result.Kernels[i].Score, *k.Score)
			require.Len(t, *k.Tasks, len(r.Result.Kernels[i].Tasks))
			for j, task := range *k.Tasks {
				want := r.Result.Kernels[i].Tasks[j]
				for key, s := range map[string]*string{"id": task.ID, "title": task.Title, "status": task.Status, "message": task.Message} {
					require.NotNil(t, s, "%s: %s of task %d", name, key, j)
				}
				require.NotNil(t, task.Points)
				require.NotNil(t, task.MaxPoints)
				assert.Equal(t, want.ID, *task.ID)
				assert.Equal(t, want.Title, *task.Title)
				assert.Equal(t, string(want.Status), *task.Status)
				assert.Equal(t, want.Message, *task.Message)
				assert.Equal(t, want.Points, *task.Points)
				assert.Equal(t, want.MaxPoints, *task.MaxPoints)
				assert.Equal(t, map[string]any{"value": want.Measured.Value, "unit": want.Measured.Unit}, task.Measured)
				assert.Equal(t, map[string]any{"value": want.Target.Value, "unit": want.Target.Unit}, task.Target)
				assert.Equal(t, want.Details, task.Details)
			}
		}
	}
}

// JUnit is read by programs that count elements and those that trust the attributes.
func TestJUnit(t *testing.T) {
	type problem struct {
		Message string `xml:"message,attr"`
		Body    string `xml:",chardata"`
	}
	type suites struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Errors   int    `xml:"errors,attr"`
			Skipped  int    `xml:"skipped,attr"`
			Cases    []struct {
				Class   string    `xml:"classname,attr"`
				Name    string    `xml:"name,attr"`
				Failure []problem `xml:"failure"`
				Error   []problem `xml:"error"`
				Skipped []problem `xml:"skipped"`
				Output  string    `xml:"system-out"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	for s, element := range map[judge.Status]string{
		judge.Pass: "", judge.Partial: "failure", judge.Fail: "failure",
		judge.Error: "error", judge.Skip: "skipped", judge.Inconclusive: "skipped",
	} {
		t.Run(string(s), func(t *testing.T) {
			var b bytes.Buffer
			r := report(judge.Result{Kernels: []judge.KernelResult{{Name: "6.12", Tasks: []judge.TaskResult{{
				ID: "a", Title: "a ≤ b", Points: 2.5, MaxPoints: 10,
				Verdict: judge.Verdict{Status: s, Message: "<&\"'>\x00 é", Details: []string{"one", "]]> two"}, Measured: judge.Quantity{Value: 61, Unit: "insns"}, Target: judge.Quantity{Value: 50}},
			}}}}})
			require.NoError(t, r.JUnit(&b))
			var got suites
			require.NoError(t, xml.Unmarshal(b.Bytes(), &got))
			require.Len(t, got.Suites, 1)
			require.Len(t, got.Suites[0].Cases, 1)
			c := got.Suites[0].Cases[0]
			assert.Equal(t, "lab12_1.6.12", c.Class)
			assert.Equal(t, "a ≤ b (2.5 of 10 points)", c.Name)
			assert.Equal(t, "measured 61 insns, target 50", c.Output)
			all := map[string][]problem{"failure": c.Failure, "error": c.Error, "skipped": c.Skipped}
			for name, p := range all {
				if name != element {
					assert.Empty(t, p, name)
					continue
				}
				if assert.Len(t, p, 1, name) {
					assert.Equal(t, "<&\"'>� é", p[0].Message)
					assert.Equal(t, "one\n]]> two", p[0].Body)
				}
			}
		})
	}
	for name, r := range reports(t) {
		var b bytes.Buffer
		require.NoError(t, r.JUnit(&b), name)
		var got suites
		require.NoError(t, xml.Unmarshal(b.Bytes(), &got), name)
		require.Len(t, got.Suites, len(r.Result.Kernels), name)
		for i, s := range got.Suites {
			assert.Equal(t, "lab12_1 on Linux "+r.Result.Kernels[i].Name, s.Name)
			assert.Len(t, s.Cases, s.Tests, "%s: tests", name)
			var failures, errs, skipped int
			for _, c := range s.Cases {
				failures += len(c.Failure)
				errs += len(c.Error)
				skipped += len(c.Skipped)
			}
			assert.Equal(t, failures, s.Failures, "%s: failures", name)
			assert.Equal(t, errs, s.Errors, "%s: errors", name)
			assert.Equal(t, skipped, s.Skipped, "%s: skipped", name)
			for j, task := range r.Result.Kernels[i].Tasks {
				assert.True(t, strings.HasPrefix(s.Cases[j].Name, task.Title+" ("), s.Cases[j].Name)
			}
		}
	}
}

// The JSON is as schema.json says: for those who read it with other programs.
func TestJSONSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("schema.json")
	require.NoError(t, err)
	for name, r := range reports(t) {
		r.Notes = []string{"a note"}
		var b bytes.Buffer
		require.NoError(t, r.JSON(&b))
		out, err := jsonschema.UnmarshalJSON(&b)
		require.NoError(t, err)
		assert.NoError(t, schema.Validate(out), name)
		out.(map[string]any)["more"] = 1
		assert.Error(t, schema.Validate(out), "a field that the schema does not know")
	}
}

// A report that could not be written must not pass for one that was.
func TestWriteErrors(t *testing.T) {
	r := reports(t)["mixed"]
	full := errors.New("no space left on device")
	w := writer(func([]byte) (int, error) { return 0, full })
	assert.ErrorIs(t, r.Text(w, Style{}), full)
	assert.ErrorIs(t, r.JSON(w), full)
	assert.ErrorIs(t, r.JUnit(w), full)
	assert.ErrorIs(t, r.HTML(w), full)
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// Whatever a submission puts where its text is shown, no line of the report is its own, and
// nothing moves a terminal's cursor.
func TestTextOfOthers(t *testing.T) {
	const score = "                                score  100/100"
	evil := "x\r\x1b[2K\x1b[1A\u202e\u009b31m\xff"
	r := graded(t, []string{"5.10"}, map[string]verdicts{"5.10": {
		{Status: judge.Fail, Message: evil + "\n" + score, Cell: evil, Details: []string{evil, "a\n" + score + "\npassed on all 5 kernels.", "\x1b]0;t\a"}},
		ok, ok, fast,
	}})
	r.File, r.Program, r.Lab, r.Title = evil, "\n"+score, evil, evil
	r.Notes = []string{evil + "\n" + score}
	r.Result.Kernels[0].Name = evil
	for _, colour := range []bool{false, true} {
		text := escape.ReplaceAllString(printed(t, r, colour), "")
		for i, line := range strings.Split(text, "\n") {
			assert.NotContains(t, line, "\x1b", "line %d", i)
			assert.NotEqual(t, score, line)
			assert.False(t, strings.HasPrefix(line, "passed on"))
			assert.Equal(t, -1, strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r == '\u202e' || r >= 0x7f && r < 0xa0 }), "%q", line)
		}
		assert.Equal(t, 1, strings.Count(text, "\n│ "+score+"\n"))
		assert.Contains(t, text, "\nnote: x\\r")
	}
	var b bytes.Buffer
	require.NoError(t, r.JSON(visible.NewWriter(&b)))
	var out struct{ Notes []string }
	require.NoError(t, json.Unmarshal(b.Bytes(), &out))
	assert.Contains(t, out.Notes[0], "\x1b[2K\x1b[1A\u202e\u009b31m")
	assert.NotContains(t, b.String(), "\u202e")
	b.Reset()
	require.NoError(t, r.JUnit(visible.NewWriter(&b)))
	require.NoError(t, xml.Unmarshal(b.Bytes(), &struct{}{}))
	assert.NotContains(t, b.String(), "\u202e")
}

// A report's parts are what a report says.
func TestParts(t *testing.T) {
	found := judge.Verdict{Status: judge.Fail, Cell: "WRONG", Message: "16 counted", Details: []string{"first", "second"}}
	pass := judge.Verdict{Status: judge.Pass, Fraction: 1}
	r := graded(t, []string{"5.10", "6.12"}, map[string]verdicts{"5.10": {pass, found, pass, pass}, "6.12": {pass, pass, pass, pass}})
	r.Change, r.Next = "+2.0", []string{"next: task 2.", "What you have achieved:\nnothing yet"}
	all := func() string {
		var b bytes.Buffer
		require.NoError(t, r.Text(&b, Style{Width: 70}))
		return b.String()
	}
	p := r.Parts(Style{Width: 70})
	require.Len(t, p.Findings, 4)
	for _, part := range []string{p.Table + "\n" + p.Score, p.Findings[1], p.Next} {
		assert.NotEmpty(t, part)
		assert.Contains(t, all(), part)
	}
	assert.Empty(t, p.Findings[0])
	assert.Empty(t, p.Refusal)
	assert.Equal(t, strings.Replace(p.Table, " 2 exact", "▸2 exact", 1), r.Parts(Style{Width: 70, Marked: 2}).Table)

	// What has no verdict yet has no points.
	for i := range r.Result.Kernels {
		r.Result.Kernels[i].Tasks[3].Verdict = judge.Verdict{}
	}
	assert.Regexp(t, `(?m)^ 4 vitesse à l'arrivée +… +… +/40$`, r.Parts(Style{}).Table)

	r.Refused = &Refusal{"does not compile", []string{"counter.bpf.c:3:1: error"}}
	p = r.Parts(Style{})
	assert.Equal(t, "nothing was run: does not compile\n│ counter.bpf.c:3:1: error", p.Refusal)
	assert.Contains(t, all(), p.Refusal)
	assert.Empty(t, p.Table)
}

// What has changed is said of each task.
func TestChanges(t *testing.T) {
	pass, none := judge.Verdict{Status: judge.Pass, Fraction: 1}, judge.Verdict{Status: judge.Fail}
	some := judge.Verdict{Status: judge.Partial, Fraction: 0.5, Cell: "61"}
	evil := judge.Verdict{Status: judge.Fail, Cell: "\x1b[2J"}
	result := func(v ...judge.Verdict) judge.Result {
		return graded(t, []string{"6.12"}, map[string]verdicts{"6.12": v}).Result
	}
	before, now := result(pass, evil, none, none), result(pass, pass, some, pass)
	assert.Equal(t, []string{"", `\u001b[2J → ok  +20`, "FAIL → 61  +10", "- → ok  +40"}, Changes(before, now, Style{}))
	assert.Equal(t, "61 → FAIL  -10", Changes(now, before, Style{})[2])
	assert.Equal(t, "\x1b[31mFAIL\x1b[0m → \x1b[33m61\x1b[0m  +10", Changes(before, now, Style{Colour: true})[2])
	assert.Empty(t, Changes(judge.Result{}, now, Style{}), "there is none before the first")
}
