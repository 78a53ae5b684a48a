// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/trace"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
	counter "bpflab/labs/lab12_1"
	"bpflab/vm/kernels"
)

// ranSteps is what a program reads of a run.
type ranSteps struct {
	Right   bool
	Problem *struct {
		Message string
		Details []string
	}
	Steps []struct {
		Found, Expected map[string]string
		Printed         []string
	}
	Notes     []string
	Maps      []struct{ Name string }
	Variables map[string]any
}

// wrong are the steps, from 1, of which something is not as it should be.
func (r ranSteps) wrong() (list []int) {
	for i, s := range r.Steps {
		if len(s.Expected) > 0 {
			list = append(list, i+1)
		}
	}
	return list
}

// onSteps is the kernels that these tests run on: one, or all with BPFLAB_KERNELS=all.
func onSteps() []string {
	if names := matrix(); len(names) == len(kernels.Names()) {
		return names
	}
	return []string{"6.12"}
}

// runSteps runs a submission's steps and returns how the command ended, and what it wrote as JSON.
func runSteps(t testing.TB, lab, from, kernel string, more ...string) (int, ranSteps) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := append([]string{"run", lab, "--from", from, "--kernel", kernel, "--cache", sharedCache(t), "--format", "json"}, more...)
	cmd := command(t, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	code := cmd.ProcessState.ExitCode()
	require.Empty(t, stderr.String())
	var r ranSteps
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &r), stdout.String())
	assert.Equal(t, map[bool]int{true: exitPassed, false: exitFailed}[r.Right], code)
	return code, r
}

// changed is a folder with a submission's BPF file in which something is replaced, and nothing else.
func changed(t testing.TB, file, old, new string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), old)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(strings.Replace(string(text), old, new, 1)), 0o644))
	return dir
}

// A solution is right in each step, and so are the starters but the sampler's, which samples by half.
func TestRunShowsWhatIsRight(t *testing.T) {
	for _, kernel := range onSteps() {
		for _, lab := range labs {
			t.Run(lab.Name+" on "+kernel, func(t *testing.T) {
				_, r := runSteps(t, lab.Name, solutionOf(t, lab.Name), kernel)
				assert.Empty(t, r.wrong())
				assert.True(t, r.Right)
				assert.Greater(t, len(r.Steps), 7)
				assert.NotEmpty(t, r.Variables)
				for _, s := range r.Steps {
					assert.Empty(t, s.Printed)
				}
				_, again := runSteps(t, lab.Name, solutionOf(t, lab.Name), kernel)
				assert.Equal(t, r, again, "the same each time")

				// Of so many calls the sampler's leaves out some, whatever its random numbers are.
				_, r = runSteps(t, lab.Name, starterOf(t, lab.Name), kernel, "--trace", "--count", "80")
				require.Len(t, r.Steps, 80)
				if lab.Name != "lab12_3" {
					assert.True(t, r.Right)
					return
				}
				require.NotEmpty(t, r.wrong())
				for _, n := range r.wrong() {
					s := r.Steps[n-1]
					assert.Equal(t, "100%", s.Found["rate"])
					assert.Equal(t, map[string]string{"sampled": "1", "sent": "16 bytes"}, s.Expected)
				}
			})
		}
	}
}

// A mistake shows in the steps that it concerns, and in no other.
func TestRunShowsWhatIsWrong(t *testing.T) {
	for _, kernel := range onSteps() {
		for _, tt := range []struct {
			lab, wrong string
			steps      map[string]string // what was found in a step's last column that is wrong, by its first column
		}{
			{"lab12_1", "byte_order", map[string]string{
				"UDP": "nothing", "IPv4": "nothing", "IPv4 with options": "nothing", "header that ends with the frame": "nothing",
				"length field that is not the frame's": "nothing", "0x0008, IPv4's type in the wrong byte order": "148: 1 packet, 100 bytes",
			}},
			{"lab12_1", "cut_options", map[string]string{"options cut short": "75: 1 packet, 40 bytes"}},
			{"lab12_2", "signed", map[string]string{"getsid(0xffffffffffffffff)": "nothing"}},
			{"lab12_2", "threshold_low_half", map[string]string{"getsid(threshold & 0xffffffff)": "32 bytes"}},
			{"lab12_2", "every_process", map[string]string{"getsid(threshold+86) by another": "32 bytes"}},
			{"lab12_3", "every_process", map[string]string{"getsid(5) by another": "16 bytes"}},
		} {
			t.Run(fmt.Sprintf("%s of %s on %s", tt.wrong, tt.lab, kernel), func(t *testing.T) {
				_, r := runSteps(t, tt.lab, filepath.Join(solutionOf(t, tt.lab), "wrong", tt.wrong), kernel)
				first, column := "call", "sent"
				if tt.lab == "lab12_1" {
					first, column = "frame", "counted"
				}
				found := map[string]string{}
				for _, n := range r.wrong() {
					s := r.Steps[n-1]
					assert.Contains(t, s.Expected, column)
					found[s.Found[first]] = s.Found[column]
				}
				assert.Equal(t, tt.steps, found)
			})
		}
		// A thread is taken for its process in whatever step.
		_, r := runSteps(t, "lab12_2", filepath.Join(solutionOf(t, "lab12_2"), "wrong/thread_id"), kernel)
		assert.Equal(t, []int{1, 2, 4, 8}, r.wrong())
		for _, n := range r.wrong() {
			assert.Equal(t, map[string]string{"pid": "1"}, r.Steps[n-1].Expected, kernel)
		}
	}
}

// What a program prints is shown at the frame or call during which it was printed, though it prints at each system
// call of the machine.
func TestRunShowsWhatIsPrinted(t *testing.T) {
	for _, kernel := range onSteps() {
		_, r := runSteps(t, "lab12_1", filepath.Join(solution(t), "wrong/printk"), kernel, "--count", "20")
		assert.True(t, r.Right)
		require.Len(t, r.Steps, 20)
		counted := map[string]int{}
		for _, s := range r.Steps {
			protocol, _, found := strings.Cut(s.Found["counted"], ":")
			if !found {
				assert.Empty(t, s.Printed, s.Found)
				continue
			}
			counted[protocol]++
			assert.Equal(t, []string{fmt.Sprintf("protocol %s: %d packets", protocol, counted[protocol])}, s.Printed)
		}

		from := changed(t, filepath.Join(starterOf(t, "lab12_2"), "events.bpf.c"), "look(ctx, &c);", `bpf_printk("call %d\nof all", ctx->args[1]); look(ctx, &c);`)
		_, r = runSteps(t, "lab12_2", from, kernel) // there is no consumer.go
		assert.True(t, r.Right)
		for _, s := range r.Steps {
			switch call := s.Found["call"]; {
			case strings.Contains(call, "another"):
				assert.Equal(t, []string{"call 124", "of all", "call 60", "of all"}, s.Printed, "it ends with exit")
			case strings.HasPrefix(call, "getpgid"):
				assert.Equal(t, []string{"call 121", "of all"}, s.Printed)
			default:
				assert.Equal(t, []string{"call 124", "of all"}, s.Printed)
			}
		}
	}
}

// A program that the kernel does not accept is explained as a grade explains it, and one that is too long is not run.
func TestRunRejected(t *testing.T) {
	from := filepath.Join(solution(t), "wrong/no_null_check")
	_, report, _ := gradeHere(t, "lab12_1", sharedCache(t), from, []string{"6.12"})
	want := parse(t, report).Kernels[0].Tasks[0]
	_, r := runSteps(t, "lab12_1", from, "6.12")
	require.NotNil(t, r.Problem)
	assert.Equal(t, want.Message, r.Problem.Message)
	assert.Equal(t, want.Details, r.Problem.Details)
	assert.Contains(t, strings.Join(r.Problem.Details, "\n"), "what it means: ")
	assert.Empty(t, r.Steps)

	from = changed(t, filepath.Join(starter(t), "counter.bpf.c"), "parse(ctx, &p);",
		"for (int i = 0; i < 500; i++) if (bpf_get_prandom_u32() == i) bpf_printk(\"n %d\", i);\nparse(ctx, &p);")
	_, r = runSteps(t, "lab12_1", from, "6.12")
	require.NotNil(t, r.Problem)
	assert.Contains(t, r.Problem.Message, "and above 10000 a program is not run")
}

// For people: a mark, what was expected, what was printed, and what maps hold.
func TestRunText(t *testing.T) {
	from := changed(t, filepath.Join(solution(t), "wrong/cut_options/counter.bpf.c"), "c->packets++;", `c->packets++; bpf_printk("here");`)
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), &stdout, &stderr, []string{"run", "lab12_1", "--trace", "--from", from, "--cache", sharedCache(t)})
	assert.Equal(t, exitFailed, code)
	assert.Empty(t, stderr.String())
	out := stdout.String()
	assert.Regexp(t, `^lab12_1  High-performance packet counter   counter\.bpf\.c  [0-9a-f]{7}   Linux 6\.12\n\nverdict is XDP_TX\n\n`, out)
	assert.Regexp(t, `(?m)^   1  UDP +434  XDP_TX    17: 1 packet, 434 bytes$`, out)
	assert.Regexp(t, `(?m)^✗ 12  options cut short +40  XDP_TX    75: 1 packet, 40 bytes\n      expected +nothing$`, out)
	assert.Equal(t, 1, strings.Count(out, "expected"))
	assert.Contains(t, out, "\n│ here\n")
	assert.Contains(t, out, "\nmap counts, PerCPUArray:\n  [17] packets 3, bytes 581\n")
	assert.Contains(t, out, "\nvariables:\n  verdict 3\n")
	for line := range strings.Lines(out) {
		assert.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 80, line)
	}
}

// A submission that ended its guest is reported as in a grade; what the agent should have said and has not is the
// grader's trouble.
func TestRunShowsFate(t *testing.T) {
	o := job.Observations{}
	require.NoError(t, o.SetFate(job.Fate{Stage: "frames", Trouble: "guest took too much CPU time"}))
	r := trace.Run{Kernel: "6.12"}
	require.NoError(t, show(&r, counter.Lab, nil, o))
	require.NotNil(t, r.Problem)
	assert.Contains(t, r.Problem.Message, "the guest did not survive this program: guest took too much CPU time")
	assert.False(t, r.Right())

	o = job.Observations{}
	require.NoError(t, o.Set(verifier.Observed, verifier.Report{Accepted: true}))
	assert.Error(t, show(&trace.Run{}, counter.Lab, nil, o), "it was accepted, and no step was seen")
	assert.Error(t, show(&trace.Run{}, counter.Lab, nil, job.Observations{}))
}

// A guest that fails is nobody's mistake.
func TestRunInfrastructure(t *testing.T) {
	bin := t.TempDir()
	fake := "#!/bin/sh\n[ \"$1\" = --version ] && echo QEMU emulator version 90.0 && exit\necho out of luck >&2\nexit 1\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte(fake), 0o755))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), &stdout, &stderr, []string{"run", "lab12_1", "--from", starter(t), "--cache", newCache(t)})
	assert.Equal(t, exitInfra, code)
	assert.Empty(t, stdout.String())
	assert.Contains(t, stderr.String(), "out of luck")
	assert.Contains(t, stderr.String(), "bpflab: kernel 6.12, steps guest: ")
}

// A lab that shows no steps says so.
func TestRunOfLabWithoutSteps(t *testing.T) {
	none := *counter.Lab
	none.Steps = nil
	err := wrongRun(&none, 0, false, "text")
	var e *exit
	assert.False(t, errors.As(err, &e))
	assert.ErrorContains(t, err, "lab12_1 has no frames or calls to run on")
	assert.NoError(t, wrongRun(counter.Lab, 0, false, "text"))
}

// All of a run fits a terminal, values and what was printed as well; where there is none, these stay in one line.
func TestRunFitsTerminal(t *testing.T) {
	words := strings.TrimSpace(strings.Repeat("so many words ", 10))
	one := trace.Step{Printed: job.Printed{Lines: []string{words}}}
	one.Cell("UDP", "")
	r := trace.Run{Lab: "lab12_1", Title: "A counter", File: "counter.bpf.c", Kernel: "6.12"}
	r.Trace = trace.Trace{Columns: []trace.Column{{Name: "frame"}}, Steps: []trace.Step{one}, Notes: []string{words}}
	r.Variables = []trace.Variable{{Name: "text", Value: words}}
	for _, columns := range []int{50, 80, 120} {
		var out strings.Builder
		require.NoError(t, writeRun(&out, r, columns))
		for line := range strings.Lines(out.String()) {
			assert.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), columns, line)
		}
		assert.Greater(t, strings.Count(out.String(), "\n│ "), 1, "each line of what was printed is marked:\n%s", &out)
	}
	var out strings.Builder
	require.NoError(t, writeRun(&out, r, 0))
	assert.Contains(t, out.String(), "\n│ "+words+"\n")
	assert.Contains(t, out.String(), "\n  text \""+words+"\"\n")
}
