// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
	"bpflab/harness/host/judge"
)

// profiledPrograms are profiles as bpflab profile writes them for programs.
type profiledPrograms struct {
	Programs []struct {
		File    string `json:"file_name"`
		Program string `json:"prog_name"`
		Kernels []struct {
			Kernel, Why             string
			Total, Empty, Remainder float64
			Lines                   []struct {
				File      string
				Line      int
				Runs, Own float64
				Calls     []struct {
					Name       string
					Runs, Cost float64
				}
			}
			Untimed []struct{ Name string }
		}
	}
}

// profiles runs the command and returns how it ended and what it wrote.
func profiles(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), &stdout, &stderr, append([]string{"profile", "--cache", sharedCache(t), "--kernels", strings.Join(matrix(), ",")}, args...))
	assert.Empty(t, stderr.String())
	return code, stdout.String()
}

// fourFrames is a capture of three frames of 60 bytes, and one of 1000.
func fourFrames(t *testing.T) string {
	t.Helper()
	var out bytes.Buffer
	w := pcapgo.NewWriter(&out)
	require.NoError(t, w.WriteFileHeader(65536, layers.LinkTypeEthernet))
	for _, n := range []int{60, 60, 1000, 60} {
		require.NoError(t, w.WritePacket(gopacket.CaptureInfo{CaptureLength: n, Length: n}, make([]byte, n)))
	}
	name := filepath.Join(t.TempDir(), "four.pcap")
	require.NoError(t, os.WriteFile(name, out.Bytes(), 0o644))
	return name
}

// Lines run as often as counting by hand says, and all that a program costs is in its lines, but for calls that are named.
func TestProfile(t *testing.T) {
	counted := "testdata/profile/counted.bpf.c"
	said := regexp.MustCompile(`// runs ([\d.]+)$`)
	source, err := os.ReadFile(counted)
	require.NoError(t, err)
	want := map[int]float64{}
	for i, line := range strings.Split(string(source), "\n") {
		if m := said.FindStringSubmatch(line); m != nil {
			n, err := strconv.ParseFloat(m[1], 64)
			require.NoError(t, err)
			want[i+1] = n
		}
	}
	require.Len(t, want, 22)

	dir := t.TempDir()
	pprofTo, lcovTo := filepath.Join(dir, "p.pb.gz"), filepath.Join(dir, "p.info")
	_, out := profiles(t, counted, filepath.Join(starter(t), "counter.bpf.c"), filepath.Join(clone(t), "labs/lab12_2/events.bpf.c"),
		"--packets", fourFrames(t), "--format", "json", "--pprof", pprofTo, "--lcov", lcovTo)
	busy(t)
	_, again := profiles(t, counted, "--packets", fourFrames(t), "--format", "json")
	var got, loaded profiledPrograms
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.NoError(t, json.Unmarshal([]byte(again), &loaded))
	assert.Equal(t, got.Programs[:len(loaded.Programs)], loaded.Programs, "under load")
	require.Len(t, got.Programs, 7)
	seen, instructions := map[int]bool{}, 0.0
	for _, p := range got.Programs {
		for _, k := range p.Kernels {
			if p.Program == "callbacks" && k.Why != "" && (k.Kernel == "5.10" || k.Kernel == "6.1") {
				continue // bpf_loop is newer than 5.10
			}
			require.Empty(t, k.Why, "%s on Linux %s", p.Program, k.Kernel)
			lines := -k.Empty
			for _, l := range k.Lines {
				lines += l.Own
				for _, c := range l.Calls {
					lines += c.Cost
					if c.Runs > 0 {
						assert.Greater(t, c.Cost/c.Runs, 1.0, "a call of %s alone is an instruction", c.Name)
					}
				}
				if n, ok := want[l.Line]; ok && p.File == counted {
					assert.InDelta(t, n, l.Runs, 0, "%s:%d on Linux %s", p.Program, l.Line, k.Kernel)
					seen[l.Line] = true
				}
			}
			assert.InDelta(t, k.Total, lines+k.Remainder, 1e-6)
			if len(k.Untimed) == 0 {
				assert.InDelta(t, 0, k.Remainder, max(1, 0.02*k.Total), "%s on Linux %s", p.Program, k.Kernel)
			} else {
				assert.Contains(t, []string{"bpf_loop", "bpf_tail_call"}, k.Untimed[0].Name)
			}
			if runs := 4.0; p.Program != "on_syscall" {
				instructions += runs * (lines + k.Empty)
			}
		}
	}
	assert.Len(t, seen, len(want))

	raw, err := os.Open(pprofTo)
	require.NoError(t, err)
	defer raw.Close()
	p, err := profile.Parse(raw)
	require.NoError(t, err)
	sum, ways := int64(0), map[string]bool{}
	for _, s := range p.Sample {
		if s.Label["program"][0] == "on_syscall" {
			continue
		}
		sum += s.Value[1]
		var way []string
		for _, l := range s.Location {
			way = append(way, l.Line[0].Function.Name)
		}
		ways[strings.Join(way, "<")] = true
	}
	assert.InDelta(t, instructions, sum, 0.01*instructions)
	for _, want := range []string{"inner<outer<functions", "inner<functions", "bpf_map_update_elem<branches", "loops"} {
		assert.Contains(t, ways, want)
	}
	lcov, err := os.ReadFile(lcovTo)
	require.NoError(t, err)
	assert.Contains(t, string(lcov), "SF:"+counted+"\n")
	assert.Contains(t, string(lcov), fmt.Sprintf("\nDA:32,%d\n", 40*len(matrix())))
}

// A grade says nothing of cost where none was lost for it, or something else comes first.
func TestExpensive(t *testing.T) {
	lab := &harness.Lab{Tasks: []judge.Task{{ID: "counts"}, {ID: "cost", Cost: true}}}
	for name, verdicts := range map[string][2]judge.Verdict{
		"passed": {{Status: judge.Pass}, {Status: judge.Pass}}, "another task": {{Status: judge.Fail}, {Status: judge.Pass}}, "waits": {{Status: judge.Fail}, {Status: judge.Fail, Waits: true}},
	} {
		r := judge.Result{Complete: true, Kernels: []judge.KernelResult{{Name: "6.12", Tasks: []judge.TaskResult{{ID: "counts", MaxPoints: 1, Verdict: verdicts[0]}, {ID: "cost", MaxPoints: 1, Verdict: verdicts[1]}}}}}
		text, err := expensive(t.Context(), lab, nil, r, "lab")
		assert.NoError(t, err, name)
		assert.Empty(t, text, name)
	}
}

func TestProfileCommand(t *testing.T) {
	two := filepath.Join(t.TempDir(), "two.bpf.c")
	require.NoError(t, os.WriteFile(two, []byte(twoPrograms), 0o644))
	code, out := profiles(t, two)
	assert.Equal(t, exitFailed, code)
	for _, want := range []string{`(?m)^\S+: good\n +runs `, `(?m): loops\n +[\d., ]+: rejected: `, `cannot be loaded by itself`, `the mean of 256 frames: bpflab's mix`} {
		assert.Regexp(t, want, out)
	}

	lab := filepath.Join(t.TempDir(), "lab") // a submission, on the packets that its lab measures
	require.NoError(t, os.CopyFS(lab, os.DirFS(starter(t))))
	code, out = profiles(t, "lab12_1", "--from", lab)
	assert.Equal(t, exitPassed, code)
	assert.Regexp(t, `(?m)^ +1\.00 .* 99  +bpf_map_update_elem\(`, out)
	assert.Contains(t, out, "are of a run in the scenes of lab12_1 whose cost is graded")
	assert.NotContains(t, out, "remainder")

	// A grade that takes points off for cost says where it is.
	var graded, notes bytes.Buffer
	assert.Equal(t, exitFailed, run(t.Context(), &graded, &notes, []string{"grade", "lab12_1", "--from", lab, "--cache", sharedCache(t), "--kernels", matrix()[0]}))
	assert.Empty(t, notes.String())
	assert.Regexp(t, `(?s)Where a run spends its instructions, some \d{3} on \S+:\n- counter\.bpf\.c:99: \d{3}, for bpf_map_update_elem\n- .*\./bpflab profile lab12_1 --from \S+ shows\s+every line\.\n\nnext:`, graded.String())

	require.NoError(t, os.WriteFile(filepath.Join(lab, "counter.bpf.c"), []byte("int broken("), 0o644))
	code, out = profiles(t, "lab12_1", "--from", lab)
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, out, "not run: ")
	assert.Contains(t, out, "does not compile")

	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"none.o"}, "none.o: no such file"}, {[]string{two, "--format", "xml"}, "expected text or json"}, {[]string{two, "--packets", two}, "expected a capture"},
		{[]string{"lab12_1", "--packets", two}, "--packets has no use for a LAB"}, {[]string{two, "--from", lab}, "--from has no use for a FILE"},
		{[]string{"lab12_1", "--from", filepath.Join(lab, "none")}, "no such file"}, {[]string{two, "--kernels", "1.0"}, "1.0"},
	} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(t.Context(), &stdout, &stderr, append([]string{"profile", "--cache", t.TempDir()}, tt.args...)), tt.args)
		assert.Contains(t, stderr.String(), tt.want)
	}
}
