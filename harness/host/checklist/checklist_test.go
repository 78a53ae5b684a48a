// SPDX-License-Identifier: Apache-2.0

package checklist

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/inspect"
	"bpflab/harness/host/policy"
	"bpflab/harness/host/runcost"
	"bpflab/harness/host/survey"
	"bpflab/harness/job"
	"bpflab/harness/verifier"

	"github.com/cilium/ebpf/asm"
)

// kinds are of the frames on which sound programs are run: two ordinary ones and a malformed one.
var kinds = []string{"UDP", "ARP", "header cut short"}

// scene is a program as two kernels and its object have it; sound passes every point that applies.
type scene struct {
	limits Limits
	object inspect.Object
	on     []job.Loaded
	kinds  []string
}

func ran(costs ...int64) job.Loaded {
	l := job.Loaded{Report: verifier.Report{Program: "p", Accepted: true, Stats: verifier.Stats{Processed: 100, StackDepth: 16}}, Type: "XDP"}
	for _, cost := range costs {
		l.Runs = append(l.Runs, job.FrameRun{Result: 2, Cost: cost})
	}
	return l
}

func sound() *scene {
	s := &scene{limits: Default, kinds: kinds, on: []job.Loaded{ran(60, 50, 40), ran(80, 50, 40)}}
	s.limits.Rate, s.limits.Peak = 1e6, 10e6
	s.object = inspect.Object{
		BTF:  true,
		Maps: []inspect.Map{{Name: "counts", Type: "PerCPUArray", Entries: 16, OneCPU: 128, ManyCPUs: 4096, Preallocated: true}, {Name: "other", OneCPU: 1 << 40, ManyCPUs: 1 << 40, Unsized: true, Untyped: true}},
		Programs: []inspect.Program{{
			Name: "p", Type: "XDP", License: "GPL", Maps: []string{"counts"}, Function: true, Lines: true,
			Path: inspect.Count{Sites: 20, Most: 20}, MapOps: inspect.Count{Sites: 1, Most: 1},
			Helpers: []inspect.Call{{Name: "bpf_map_lookup_elem", Sites: 1}},
			Tails:   inspect.Tails{Sites: 1, Depth: 33},
		}},
	}
	return s
}

// profile has the second kernel make some map operations, of 40 instructions in all.
func (s *scene) profile(operations uint64) {
	s.on[1].Profile = &job.Profile{
		Runs: 1, Files: []string{"a.c"}, Functions: []string{"p"}, Lines: []job.SourceLine{{Number: 3}}, Code: []byte{0x90, 0xc3}, Empty: []byte{0xc3},
		Insns: []job.Instruction{{Helper: 1, Count: operations, Timed: true, Time: 40}, {Text: "Exit", Count: 1, To: 2}},
	}
}

func (s *scene) program() *inspect.Program { return &s.object.Programs[0] }

// events makes it a program that runs at system calls.
func (s *scene) events() {
	s.program().Type = "Kprobe"
	for i := range s.on {
		s.on[i].Runs, s.on[i].Events, s.on[i].Type = nil, &job.EventRuns{Count: 40, Cost: 70}, "Kprobe"
	}
}

func (s *scene) report() Report {
	kernels := []string{"5.10", "6.12"}[:len(s.on)]
	var objects [][]job.Object
	for _, l := range s.on {
		objects = append(objects, []job.Object{{Programs: []job.Loaded{l}}})
	}
	all := survey.New(kernels, []survey.File{{Name: "src/a b.bpf.c"}}, objects)
	return Judge([]Input{{File: all.Files[0], Object: s.object}}, kernels, s.kinds, "some mix", s.limits)
}

func TestSound(t *testing.T) {
	r := sound().report()
	require.Len(t, r.Programs, 1)
	require.Len(t, r.Programs[0].Findings, len(Points))
	for _, f := range r.Programs[0].Findings {
		assert.Equal(t, Pass, f.Outcome, "%s: %s %s", f.Point.ID, f.Number, f.Message)
	}
	ok, complete := r.Sound()
	assert.True(t, ok)
	assert.True(t, complete)
	assert.Len(t, Points, 15)
}

var here = []inspect.Place{{File: "a b.bpf.c", Line: 7, Text: "total++;", What: ".bss"}}

// Each point passes above; here is what makes it fail, and no other.
func TestPoints(t *testing.T) {
	for _, tt := range []struct {
		name, point string
		change      func(s *scene)
		outcome     Outcome
		want        string // part of what is said
		also        string // other points that this concerns, with the same outcome
	}{
		{"no frame was taken", "profiled-under-load", func(s *scene) {
			s.on[1].Runs[0].Refused, s.on[1].Runs[1].Refused, s.on[1].Runs[2].Refused = true, true, true
		}, NeedsYou, "not run here: no frame was taken", ""},
		{"not run", "profiled-under-load", func(s *scene) { s.on[1].Runs, s.on[1].NotRun = nil, "nobody starts it" }, NeedsYou, "not run here: nobody starts it", ""},
		{"5% of a CPU", "overhead", func(s *scene) { s.limits.Rate = 2.6e6; s.on[1] = ran(60, 60, 60) }, Fail, "5.2% of a CPU on 6.12 (at most 5% of a CPU)", ""},
		{"just 5% of a CPU", "overhead", func(s *scene) { s.limits.Rate = 2.5e6; s.on[1] = ran(60, 60, 60) }, Pass, "5% of a CPU on 6.12", ""},
		{"sixteen CPUs", "overhead", func(s *scene) { s.limits.Rate = 800e6; s.on[1] = ran(60, 60, 60) }, Fail, "1,600% of a CPU", ""},
		{"another CPU", "overhead", func(s *scene) { s.limits.IPS, s.limits.PPS, s.limits.Peak = 1e9, 1e6, 1e6 }, Fail, "5.67% of a CPU", ""},
		{"no rate", "overhead", func(s *scene) { s.limits.Rate = 0; s.on[1] = ran(60, 60, 60) }, NeedsYou, "5% of a CPU is reached at 2.5M runs/s on that CPU", ""},
		{"rejected", "verifier", func(s *scene) {
			s.on[0] = job.Loaded{Report: verifier.Report{Program: "p", Message: "R0 !read_ok", Source: "a b.bpf.c:31: return *v;"}}
		}, Fail, "rejected on 5.10: R0 !read_ok: a b.bpf.c:31: return *v;", "kernels"},
		{"many steps", "verifier", func(s *scene) { s.on[1].Stats.Processed = 666_667 }, Fail, "666,667 steps, 16 bytes of stack on 6.12 (at most 666,666 and 448): the kernel's limits are near", ""},
		{"as many steps as may be", "verifier", func(s *scene) { s.on[1].Stats.Processed = 666_666 }, Pass, "666,666 steps", ""},
		{"much stack", "verifier", func(s *scene) { s.on[0].Stats.StackDepth = 456 }, Fail, "100 steps, 456 bytes of stack on 5.10", ""},
		{"nothing to attach to", "kernels", func(s *scene) { s.on[1].NoTarget = "there is no function do_unlinkat" }, Fail, "1 of 2 kernels (all of 5.10, 6.12): Linux 6.12: there is no function do_unlinkat", ""},
		{"what only a loader refuses", "kernels", func(s *scene) {
			s.on[0] = job.Loaded{Report: verifier.Report{Program: "p", By: verifier.Loader, Message: "no function f"}}
		}, Fail, "1 of 2 kernels (all of 5.10, 6.12): rejected on 5.10: no function f", ""},
		{"one kernel", "kernels", func(s *scene) { s.on = s.on[:1] }, NeedsYou, "one kernel is not several", ""},
		{"incomplete", "kernels", func(s *scene) { s.on[0].Lacks = "it replaces another" }, NeedsYou, "it replaces another", "verifier"},
		{"many map operations", "map-operations", func(s *scene) { s.program().MapOps.Most = 11 }, Fail, "up to 11 map operations a run (at most 10 a run)", ""},
		{"map operations in a loop", "map-operations", func(s *scene) { s.program().MapOps.Bound = "a.c:3: a loop" }, NeedsYou, "how many a run makes has no static bound (a.c:3: a loop)", ""},
		{"map operations that were counted", "map-operations", func(s *scene) { s.program().MapOps.Bound = "a loop"; s.profile(10) }, Pass, "10.00 map operations a run on 6.12 (at most 10 a run): they take 40 of 56.7 instructions a run", ""},
		{"rings are maps", "map-operations", func(s *scene) {
			s.program().MapOps.Bound = "a loop"
			s.profile(100)
			s.on[1].Profile.Insns[0].Helper = uint32(asm.FnRingbufOutput)
		}, Fail, "100.00 map operations a run on 6.12", ""},
		{"not timed", "map-operations", func(s *scene) {
			s.program().MapOps.Bound = "a loop"
			s.profile(11)
			s.on[1].Profile.Insns[0].Helper, s.on[1].Profile.Insns[0].Timed = uint32(asm.FnForEachMapElem), false
		}, Fail, "11.00 map operations a run on 6.12", ""},
		{"no map operation of theirs", "map-operations", func(s *scene) {
			s.program().MapOps.Bound = "a loop"
			s.profile(100)
			s.on[1].Profile.Insns[0].Helper = uint32(asm.FnKtimeGetNs)
		}, Pass, "0.00 map operations a run on 6.12", ""},
		{"too many were counted", "map-operations", func(s *scene) { s.program().MapOps.Bound = "a loop"; s.profile(11) }, Fail, "11.00 map operations a run on 6.12 (at most 10 a run)", ""},
		{"the line is known", "profiled-under-load", func(s *scene) { s.profile(2) }, Pass, "56.7 instructions a run, 42 of them at a.c:3, ", ""},
		{"no map operation", "map-operations", func(s *scene) { s.program().MapOps = inspect.Count{} }, NotApplicable, "no helper that works on a map", ""},
		{"too slow at peak load", "peak-load", func(s *scene) { s.limits.Peak = 38e6 }, Fail, "one CPU can do 37.5M runs/s on 6.12 (at least 38M runs/s)", ""},
		{"no peak load", "peak-load", func(s *scene) { s.limits.Peak = 0 }, NeedsYou, "one CPU can do 37.5M runs/s on 6.12: its most expensive run takes 80 instructions", ""},
		{"a global counter", "lock-contention", func(s *scene) { s.program().Contended = inspect.Count{Sites: 1, Most: 1, Places: here} }, Fail, "up to 1 time a run (none that every run meets): all CPUs write to the same memory or take the same lock (global variables in .bss)", "scaling"},
		{"a hash", "lock-contention", func(s *scene) { s.program().Keyed = inspect.Count{Sites: 2, Bound: "a loop", Places: here} }, NeedsYou, "at 2 places, in a loop or behind one", "scaling"},
		{"a ring", "lock-contention", func(s *scene) { s.program().Rings = inspect.Count{Sites: 1, Most: 1} }, NeedsYou, "the lock of a ring buffer", "scaling"},
		{"a long run", "instructions", func(s *scene) { s.limits.Instructions = 56 }, Fail, "56.7 instructions a run on 6.12 (at most 56 instructions)", ""},
		{"no static bound", "instructions", func(s *scene) { s.program().Path.Bound = "a loop" }, Pass, "its longest path has no static bound (a loop)", ""},
		{"grows with CPUs", "scaling", func(s *scene) { s.object.Maps[0].ManyCPUs = 65 << 20 }, Fail, "no shared write, 65 MiB of maps on 32 CPUs (no shared write, 64 MiB): the maps have values for each CPU", "memory"},
		{"large maps", "memory", func(s *scene) { s.object.Maps[0].OneCPU, s.object.Maps[0].ManyCPUs = 65<<20, 65<<20 }, Fail, "65 MiB on 1 CPU, 65 MiB on 32 (at most 64 MiB on 32): most of it for counts (PerCPUArray, 16 entries)", ""},
		{"as large as may be", "memory", func(s *scene) { s.object.Maps[0].ManyCPUs = 64 << 20 }, Pass, "64 MiB on 32", ""},
		{"no map", "memory", func(s *scene) { s.program().Maps = nil }, NotApplicable, "it uses no map", ""},
		{"no size", "memory", func(s *scene) { s.object.Maps[0].Unsized = true }, NeedsYou, "a loader sets the size of some, and bpftool shows it (bytes_memlock): counts", ""},
		{"not preallocated", "memory", func(s *scene) { s.object.Maps[0].Preallocated = false }, Pass, "an insertion may fail for want of memory: counts", ""},
		{"a long chain", "tail-calls", func(s *scene) { s.program().Tails.Depth = 34 }, Fail, "up to 34 tail calls (at most 33 in a row): the 34th tail call fails", ""},
		{"a circle", "tail-calls", func(s *scene) { s.program().Tails.Depth = inspect.Endless }, NeedsYou, "unless they stop by themselves, the kernel does after 33 tail calls", ""},
		{"an unknown chain", "tail-calls", func(s *scene) { s.program().Tails.Depth = 0 }, NeedsYou, "known where it is loaded", ""},
		{"a function's tail call", "tail-calls", func(s *scene) { s.program().Tails.InFunction = true }, Pass, "less than 256 bytes of stack; all together have 16", ""},
		{"no tail call", "tail-calls", func(s *scene) { s.program().Tails = inspect.Tails{} }, NotApplicable, "no tail call", ""},
		{"slow for a kind of frame", "packet-rate", func(s *scene) {
			s.on[0] = ran(60, 202, 40)
			s.on[0].Runs[0].Cost, s.limits.Rate = 300, 1e5
			s.limits.PPS = 10e6
			s.kinds = []string{"UDP", "ARP", "ARP"}
		}, Pass, "10M packets/s on 5.10 (at least 10M packets/s): 300 instructions for the most expensive kind of frame, UDP", ""},
		{"too slow for one", "packet-rate", func(s *scene) { s.on[0] = ran(60, 202, 40) }, Fail, "14.85M packets/s on 5.10 (at least 14.88M packets/s): 202 instructions for the most expensive kind of frame, ARP", ""},
		{"no packets", "packet-rate", (*scene).events, NotApplicable, "no XDP or tc program", ""},
		{"no types", "btf", func(s *scene) { s.object.BTF = false }, Fail, "no types", ""},
		{"no lines", "btf", func(s *scene) { s.program().Lines = false }, Fail, "the object has no .BTF.ext", ""},
		{"no functions", "btf", func(s *scene) { s.program().Function = false }, Fail, "the object has no .BTF.ext", ""},
		{"a fixed offset", "btf", func(s *scene) { s.program().Fixed = here }, Fail, "1 read at fixed offsets", ""},
		{"a map without types", "btf", func(s *scene) { s.object.Maps[0].Untyped = true }, Pass, "as bytes, since they have no __type(): counts", ""},
		{"a helper for debugging", "helpers", func(s *scene) {
			s.program().Helpers = append(s.program().Helpers, inspect.Call{Name: "bpf_trace_printk", Places: here})
		}, Fail, "1 helper that should not ship (none for debugging or dangerous): bpf_trace_printk is for debugging", ""},
		{"a helper that is meant", "helpers", func(s *scene) {
			s.program().Helpers, s.limits.Allow = []inspect.Call{{Name: "bpf_override_return"}}, []string{"bpf_override_return"}
		}, Pass, "the newest, bpf_override_return, came with Linux 4.16", ""},
		{"the newest helper", "helpers", func(s *scene) {
			s.program().Helpers = []inspect.Call{{Name: "bpf_loop"}, {Name: "bpf_ringbuf_output"}, {Name: "bpf_redirect"}}
		}, Pass, "the newest, bpf_loop, came with Linux 5.17; what these take grows with their input: bpf_loop, bpf_ringbuf_output", ""},
		{"a kernel function", "helpers", func(s *scene) { s.program().Kfuncs = []inspect.Call{{Name: "bpf_cpumask_create"}} }, Pass, "may change from one kernel to the next: bpf_cpumask_create", ""},
		{"no helper", "helpers", func(s *scene) { s.program().Helpers = nil }, NotApplicable, "it calls no helper", ""},
		{"an expensive error", "error-handling", func(s *scene) { s.on[0] = ran(60, 50, 61) }, Fail, "up to 61 instructions on 5.10 (at most 60 instructions): malformed, or with an end in XDP_ABORTED: 1 frame, ", ""},
		{"as expensive as others", "error-handling", func(s *scene) { s.on[0] = ran(60, 50, 60) }, Pass, "up to 60 instructions on 5.10", ""},
		{"an aborted run", "error-handling", func(s *scene) { s.on[0] = ran(60, 99, 40); s.on[0].Runs[1].Result = 0 }, Fail, "up to 99 instructions on 5.10 (at most 60 instructions): malformed, or with an end in XDP_ABORTED: 2 frames", ""},
		{"errors only", "error-handling", func(s *scene) { s.kinds = []string{"IHL below 5", "IHL below 5", "IHL below 5"} }, Fail, "every run ends in an error", ""},
		{"no errors", "error-handling", func(s *scene) { s.kinds = []string{"UDP", "UDP", "UDP"} }, NeedsYou, "no frame is malformed", ""},
		{"errors of helpers", "error-handling", (*scene).events, NeedsYou, "1 helper that can fail: bpf_map_lookup_elem", ""},
		{"nothing that fails", "error-handling", func(s *scene) { s.events(); s.program().Helpers = []inspect.Call{{Name: "bpf_ktime_get_ns"}} }, NotApplicable, "nothing that it calls can fail", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sound()
			tt.change(s)
			r := s.report()
			found := false
			for _, f := range r.Programs[0].Findings {
				said := strings.Join([]string{f.brief(), f.Message}, ": ")
				for _, p := range f.Places {
					said += ": " + position(p)
				}
				switch {
				case f.Point.ID == tt.point:
					found = true
					assert.Equal(t, tt.outcome, f.Outcome, said)
					assert.Contains(t, said, tt.want)
				case f.Point.ID == tt.also:
					assert.Equal(t, tt.outcome, f.Outcome, said)
				case tt.outcome == Fail:
					assert.NotEqual(t, Fail, f.Outcome, "%s fails too: %s", f.Point.ID, said)
				}
			}
			assert.True(t, found)
			ok, _ := r.Sound()
			assert.Equal(t, tt.outcome != Fail, ok, text(t, r, 0))
		})
	}
}

// Where a guest failed, points that depend on it are not judged, unless another kernel fails them already.
func TestLost(t *testing.T) {
	s := sound()
	s.on[1] = job.Loaded{Error: "the guest fell silent"}
	s.on[1].Program = "p"
	s.limits.Instructions = 10
	r := s.report()
	_, complete := r.Sound()
	assert.False(t, complete)
	for _, f := range r.Programs[0].Findings {
		want := map[string]Outcome{"instructions": Fail, "lock-contention": Pass, "memory": Pass, "btf": Pass, "helpers": Pass, "scaling": Pass, "tail-calls": Pass}[f.Point.ID]
		if want == "" {
			want = NotJudged
			assert.Contains(t, f.Message, "not judged: the guest fell silent")
		}
		assert.Equal(t, want, f.Outcome, f.Point.ID)
	}
}

// A program that no verifier has seen is not blamed by one.
func TestNotLoaded(t *testing.T) {
	s := sound()
	for i := range s.on {
		s.on[i] = job.Loaded{Report: verifier.Report{Program: "p", By: verifier.Loader, Message: "no function f"}}
	}
	f := s.report().Programs[0].Findings
	assert.Equal(t, NeedsYou, f[2].Outcome)
	assert.Equal(t, "not loaded: no function f", f[2].Message)
	assert.Equal(t, Fail, f[3].Outcome)
}

// Every helper that programs are read with has a version, and every helper that something is known of has a name.
func TestHelperList(t *testing.T) {
	for n := range int64(211) {
		name := policy.HelperName(asm.FnMapLookupElem + asm.BuiltinFunc(n))
		assert.Contains(t, since(), name)
	}
	assert.Len(t, since(), 211)
	for _, name := range slices.Concat(infallible, costly) {
		assert.Contains(t, since(), name)
	}
	for name := range audited {
		assert.Contains(t, since(), name)
	}
	assert.True(t, older("5.8", "5.10"))
	assert.False(t, older("5.10", "5.8"))
}

func TestMalformed(t *testing.T) {
	_, kinds := runcost.Mix()
	for _, kind := range malformed {
		assert.Contains(t, kinds, kind)
	}
}

func text(t *testing.T, r Report, columns int) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, r.Text(&out, columns))
	return out.String()
}

func TestText(t *testing.T) {
	s := sound()
	s.limits.Rate, s.limits.Peak = 0, 0
	s.program().Contended = inspect.Count{Sites: 9, Most: 9}
	for i := range 9 {
		s.program().Contended.Places = append(s.program().Contended.Places, inspect.Place{File: "a.c", Line: i + 1, Text: "total\x1b++;", What: ".bss"})
	}
	r := s.report()
	r.Broken = []survey.File{{Name: "b.bpf.c", Broken: "b.bpf.c does not compile:\nPASS"}}
	r.Warnings = slices.Repeat([]string{"a.c:1: warning: unused\nint x;"}, 6)
	out := text(t, r, 0)
	for _, want := range []string{
		`(?m)^ +FAIL  you  pass  n/a$`, `(?m)^src/a b\.bpf\.c$`, `(?m)^  p +2 +2 +11 +0$`, `(?m)^b\.bpf\.c does not compile:\n│ PASS$`,
		`(?m)^a\.c:1: warning: unused\n│ int x;$`, `(?m)^and 1 more warning of the compiler$`, `(?m)^src/a b\.bpf\.c: p$`, `(?m)^- FAIL  lock contention: up to 9 times a run \(none that every run meets\)$`, `(?m)^│ a\.c:5: total\\u001b\+\+;\n    and 4 more$`,
		`(?m)^- NEEDS YOU  overhead under 5%`, `(?m)^    run: bpflab check 'src/a b\.bpf\.c' --rate RUNS_A_SECOND$`, `(?m)^    run: as above$`,
		`(?m)^- PASS  memory: 128 B on 1 CPU, 4\.0 KiB on 32 \(at most 64 MiB on 32\)$`,
	} {
		assert.Regexp(t, want, out)
	}
	assert.Equal(t, 1, strings.Count(out, "bpf_stats_enabled=1"), "a command is shown once for a program")

	head, _, _ := strings.Cut(text(t, r, 30), "\n\n")
	for line := range strings.Lines(head) {
		assert.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), 32)
	}

	// What several points have in common is said once.
	s = sound()
	for i := range s.on {
		s.on[i].Runs, s.on[i].NotRun = nil, "nobody starts it"
	}
	out = text(t, s.report(), 0)
	assert.Equal(t, 1, strings.Count(out, "nobody starts it"))
	assert.Contains(t, out, "- NEEDS YOU  profiled under load, overhead under 5%, map operations benchmarked, peak load, instruction count, full packet rate\n")
	// A name that looks like a command is quoted.
	s = sound()
	s.limits.Rate, s.program().Name = 0, "p;reboot"
	for i := range s.on {
		s.on[i].Program = "p;reboot"
	}
	assert.Contains(t, text(t, s.report(), 0), "show name 'p;reboot';")
}

func TestJSON(t *testing.T) {
	s := sound()
	s.limits.Rate = 0
	var out bytes.Buffer
	require.NoError(t, s.report().JSON(&out))
	var got struct {
		Kernels  []string
		IPS      float64 `json:"instructions_per_second"`
		Points   []struct{ ID, Title, Rule, Source string }
		Programs []struct {
			File     string `json:"file_name"`
			Program  string `json:"prog_name"`
			Findings []struct {
				Point, Outcome, Number, Limit, Kernel, Message string
				Yours                                          []string
			}
		}
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	assert.Equal(t, []string{"5.10", "6.12"}, got.Kernels)
	assert.Equal(t, 3e9, got.IPS)
	require.Len(t, got.Points, 15)
	for _, p := range got.Points {
		assert.NotEmpty(t, p.Rule)
		assert.NotEmpty(t, p.Source, p.ID)
	}
	require.Len(t, got.Programs, 1)
	overhead := got.Programs[0].Findings[1]
	assert.Equal(t, "overhead", overhead.Point)
	assert.Equal(t, "NEEDS YOU", overhead.Outcome)
	assert.Len(t, overhead.Yours, 2)
	assert.Equal(t, "6.12", overhead.Kernel)
}

// What is written is SARIF, by the standard's own schema, and says where to look.
func TestSARIF(t *testing.T) {
	s := sound()
	s.limits.Rate = 0
	s.program().Contended = inspect.Count{Sites: 2, Most: 2, Places: append(slices.Clone(here), inspect.Place{File: "header.h", Line: 3, Text: "x++;"})}
	r := s.report()
	r.Broken = []survey.File{{Name: "b.bpf.c", Broken: "b.bpf.c does not compile"}}
	var out bytes.Buffer
	require.NoError(t, r.SARIF(&out, "v1"))
	report := parsed(t, out.Bytes())
	require.NoError(t, report.Validate())

	run := report.Runs[0]
	require.Len(t, run.Tool.Driver.Rules, 16)
	levels := map[string]string{}
	for _, result := range run.Results {
		levels[*result.RuleID] = result.Level
		assert.Equal(t, *result.RuleID, *run.Tool.Driver.Rules[result.RuleIndex].ID)
		assert.NotEmpty(t, result.PartialFingerprints)
		require.NotEmpty(t, result.Locations)
	}
	assert.Equal(t, map[string]string{"unreadable": "error", "overhead": "note", "lock-contention": "error", "scaling": "error"}, levels)
	i := slices.IndexFunc(run.Results, func(r *sarif.Result) bool { return *r.RuleID == "lock-contention" })
	where := run.Results[i].Locations
	require.Len(t, where, 1, "the header's folder is not known")
	assert.Equal(t, "src/a%20b.bpf.c", *where[0].PhysicalLocation.ArtifactLocation.URI)
	assert.Equal(t, 7, *where[0].PhysicalLocation.Region.StartLine)
	assert.Contains(t, *run.Results[i].Message.Text, "header.h:3: x++;")

	out.Reset()
	require.NoError(t, sound().report().SARIF(&out, "v1"))
	report = parsed(t, out.Bytes())
	require.NoError(t, report.Validate())
	assert.Empty(t, report.Runs[0].Results)
	report.Runs[0].AddResult(sarif.NewResult().WithLevel("grave"))
	assert.Error(t, report.Validate())
}

// parsed reads a report, in which nothing may be that SARIF does not know.
func parsed(t *testing.T, raw []byte) *sarif.Report {
	t.Helper()
	in := json.NewDecoder(bytes.NewReader(raw))
	in.DisallowUnknownFields()
	require.NoError(t, in.Decode(new(sarif.Report)))
	report, err := sarif.FromBytes(raw)
	require.NoError(t, err)
	for _, run := range report.Runs { // the library writes these even if they are not there
		run.Language, run.NewlineSequences, run.Tool.Driver.Language = "en-US", []string{"\n"}, "en-US"
	}
	return report
}

// An object that the host cannot read is broken, and so is one whose program it does not know.
func TestUnread(t *testing.T) {
	s := sound()
	s.object = inspect.Object{Broken: "it is too large"}
	r := s.report()
	require.Len(t, r.Broken, 1)
	assert.Equal(t, "src/a b.bpf.c cannot be read: it is too large", r.Broken[0].Broken)
	ok, _ := r.Sound()
	assert.False(t, ok)

	s = sound()
	s.program().Name = "q"
	_, complete := s.report().Sound()
	assert.False(t, complete)
}
