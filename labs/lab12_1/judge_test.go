// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/judgetest"
	"bpflab/harness/job"
	"bpflab/harness/traffic"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_1/observe"
)

// recount counts frames from their bytes, where truth counts them by what traffic says of
// them.
func recount(frames []traffic.Frame, n int) map[uint32]observe.Count {
	counts := map[uint32]observe.Count{}
	for i := range n {
		f := frames[i%len(frames)].Data
		if len(f) < 34 || f[12] != 0x08 || f[13] != 0x00 {
			continue
		}
		if header := int(f[14]&0x0f) * 4; header < 20 || 14+header > len(f) {
			continue
		}
		c := counts[uint32(f[23])]
		c.Protocol = uint32(f[23])
		c.Packets++
		c.Bytes += uint64(len(f))
		counts[c.Protocol] = c
	}
	return counts
}

func TestTruth(t *testing.T) {
	for seed := range uint64(20) {
		frames := traffic.Mix(seed, traffic.Listed)
		for _, n := range []int{0, 1, 255, 256, 257, observe.WireFrames} {
			got := truth(frames, n)
			want := recount(frames, n)
			require.Len(t, got, 256)
			for p, c := range got {
				w := want[uint32(p)]
				w.Protocol = uint32(p)
				assert.Equal(t, w, c, "seed %d, %d frames, protocol %d", seed, n, p)
			}
		}
	}
}

const testSeed job.Seed = 4711

// What testSeed is drawn to.
var (
	testFrames   = traffic.Mix(testSeed.Part(job.PartScenes), traffic.Listed)
	testVerdicts = observe.Verdicts(testSeed.Part(job.PartScenes))
)

// sound is what is observed of a right and fast program.
type sound struct {
	Seed  job.Seed
	Load  verifier.Report
	Alone observe.Alone
	Race  observe.Race
	Path  path
	Drop  observe.Wire
	Pass  observe.Wire
}

// timings are those of programs whose runs all take the same.
func timings(empty, naive, reference, yours float64) job.Timings {
	all := func(x float64) job.Timing { return job.Timing{Runs: 1792, Typical: x, Mean: x} }
	return job.Timings{Empty: all(empty), Naive: all(naive), Reference: all(reference), Yours: all(yours)}
}

func newSound() *sound {
	s := &sound{
		Seed: testSeed,
		Load: verifier.Report{Program: observe.Program, Accepted: true, Stats: verifier.Stats{Processed: 60}},
		Race: observe.Race{Met: metRounds},
		Path: path{Instructions: 35, Naive: 75, MapType: "PerCPUArray", Calls: onPath{Most: 1}, NaiveCalls: 4},
		Drop: observe.Wire{Timings: timings(800, 1600, 850, 850), Sent: observe.WireFrames},
		Pass: observe.Wire{Timings: timings(8000, 8800, 8050, 8050), Sent: observe.WireFrames},
	}
	for _, w := range []*observe.Wire{&s.Drop, &s.Pass} {
		w.Became, w.BecameReference = map[string]uint64{"Ip: InReceives": 1700}, map[string]uint64{"Ip: InReceives": 1700}
	}
	for _, v := range testVerdicts {
		s.Alone.Returns = append(s.Alone.Returns, observe.Returned{Verdict: v, Returns: slices.Repeat([]uint32{v}, len(testFrames))})
	}
	alone := map[string]observe.KindCount{}
	for _, f := range testFrames {
		k := alone[f.Kind]
		k.Kind = f.Kind
		for _, c := range recount([]traffic.Frame{f}, 1) {
			k.Packets += c.Packets
			k.Bytes += c.Bytes
		}
		alone[f.Kind] = k
		if f.Delivered {
			s.Pass.Delivered += observe.WireFrames / len(testFrames)
		}
	}
	for _, k := range alone {
		s.Alone.Kinds = append(s.Alone.Kinds, k)
	}
	slices.SortFunc(s.Alone.Kinds, func(a, b observe.KindCount) int { return strings.Compare(a.Kind, b.Kind) })
	for _, c := range recount(testFrames, observe.WireFrames) {
		s.Drop.Counts = append(s.Drop.Counts, c)
	}
	slices.SortFunc(s.Drop.Counts, func(a, b observe.Count) int { return int(a.Protocol) - int(b.Protocol) })
	s.Pass.Counts = slices.Clone(s.Drop.Counts)
	for _, r := range observe.DrawRace(testSeed.Part(job.PartScenes)) {
		c := observe.Count{Protocol: r.Protocol}
		for cpu, n := range r.Updates {
			c.Packets += uint64(n)
			c.Bytes += uint64(n) * uint64(r.Length[cpu])
		}
		s.Race.Counted = append(s.Race.Counted, c)
	}
	return s
}

// updates is how many the rounds of the race make.
func (s *sound) updates() (n uint64) {
	for _, c := range newSound().Race.Counted {
		n += c.Packets
	}
	return n
}

var judges = judgetest.Judges[sound]{Tasks: Lab.Tasks, Sound: newSound, Named: func(s *sound) map[string]any {
	return map[string]any{
		"seed": s.Seed, "load": s.Load, "alone": s.Alone, "race": s.Race, "path": s.Path, "drop": s.Drop, "pass": s.Pass,
	}
}}

func (s *sound) kind(name string) *observe.KindCount {
	return &s.Alone.Kinds[slices.IndexFunc(s.Alone.Kinds, func(k observe.KindCount) bool { return k.Kind == name })]
}

func TestSoundSubmissionGetsEverything(t *testing.T) { judges.Full(t) }

// A message says what is missing. Where nothing is, there is none; only a speed is told in any case.
func TestNothingMissingNothingSaid(t *testing.T) {
	for _, task := range judges.Judge(t, newSound()).Kernels[0].Tasks {
		if task.ID != "throughput" {
			assert.Empty(t, task.Message, task.ID)
		}
	}
}

type row = judgetest.Row[sound]

// Each row changes one thing in what is observed of a sound program.
func TestJudges(t *testing.T) {
	const pass, partial, fail = judge.Pass, judge.Partial, judge.Fail
	judges.Rows(t, map[string][]row{
		"verifier": {
			{"within the budget", func(s *sound) { s.Load.Stats.Processed = 500 }, pass, 1, ""},
			{"just over it", func(s *sound) { s.Load.Stats.Processed = 501 }, partial, 4499. / 4500, "look at 501 instructions; the budget is 500"},
			{"half way to ten times the budget", func(s *sound) { s.Load.Stats.Processed = 2750 }, partial, 0.5, "2750"},
			{"ten times the budget", func(s *sound) { s.Load.Stats.Processed = 5000 }, fail, 0, "5000"},
			{"rejected", func(s *sound) {
				s.Load = verifier.Report{Message: "R0 invalid mem access", Source: "counter.bpf.c:9: c->packets++;", Log: []string{"one", "two"}}
			}, fail, 0, "rejected: R0 invalid mem access at counter.bpf.c:9: c->packets++;"},
			{"rejected, nobody knows where", func(s *sound) { s.Load = verifier.Report{Message: "BPF_STX uses reserved fields"} }, fail, 0, "rejected: BPF_STX uses reserved fields"},
		},
		"counts": {
			{"right", func(*sound) {}, pass, 1, ""},
			{"another verdict for one frame", func(s *sound) { s.Alone.Returns[0].Returns[239] = 7 }, fail, 0, "got 7; `verdict` was XDP_"},
			{"another verdict where only one is told", func(s *sound) { s.Alone.Returns[2].Returns[3] = 0 }, fail, 0, "got XDP_ABORTED"},
			{"another verdict, so that nothing was sent", func(s *sound) { s.Alone.Returns[1].Returns[0] = 0; s.Drop, s.Pass = observe.Wire{}, observe.Wire{} }, fail, 0, "got XDP_ABORTED"},
			{"a kind that should not count", func(s *sound) { s.kind("IHL below 5").Packets++ }, fail, 0, `frames of the kind "IHL below 5": 1 counted, 0 should have been`},
			{"a kind that should", func(s *sound) { s.kind("header that ends with the frame").Packets-- }, fail, 0, `frames of the kind "header that ends with the frame": 7 counted, 8 should have been`},
			{"bytes of a kind", func(s *sound) { s.kind("IPv4").Bytes++ }, fail, 0, `frames of the kind "IPv4": `},
			{"one packet over the wire", func(s *sound) { s.Drop.Counts[0].Packets-- }, fail, 0, " were sent"},
			{"one byte over the wire", func(s *sound) { s.Pass.Counts[0].Bytes++ }, fail, 0, " were sent"},
			{"a protocol that nothing was sent of", func(s *sound) {
				s.Drop.Counts = append(s.Drop.Counts, observe.Count{Protocol: unusedProtocol, Packets: 1, Bytes: 60})
			}, fail, 0, "1 packets and 60 bytes counted; 0 and 0 were sent"},
			{"nothing when timed, dropping", func(s *sound) { s.Drop.Counts = nil }, fail, 0, "timed with the verdict XDP_DROP, protocol "},
			{"nothing when timed, passing", func(s *sound) { s.Pass.Counts = nil }, fail, 0, "timed with the verdict XDP_PASS, protocol "},
			{"one packet not passed", func(s *sound) { s.Pass.Delivered-- }, fail, 0, "timed with the verdict XDP_PASS: 1343 packets reached the socket, 1344 should have"},
			{"one packet dropped that no socket waits for", func(s *sound) { s.Pass.Became = map[string]uint64{"Ip: InReceives": 1699, "xdp_drops": 1} }, fail, 0, `the kernel counted 1699 of "Ip: InReceives", but 1700 when the reference ran`},
			{"one packet passed", func(s *sound) { s.Drop.Delivered++ }, fail, 0, "timed with the verdict XDP_DROP: 1 packets reached the socket, 0 should have"},
			{"another seed's counts", func(s *sound) {
				for i := range s.Drop.Counts {
					s.Drop.Counts[i].Protocol ^= 1
				}
			}, fail, 0, " were sent"},
			{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"},
		},
		"concurrency": {
			{"nothing lost", func(*sound) {}, pass, 1, ""},
			{"one lost", func(s *sound) { s.Race.Counted[3].Packets-- }, fail, 0, fmt.Sprintf("1 of %d updates lost", new(sound).updates())},
			{"lost in rounds that met too seldom", func(s *sound) { s.Race.Counted[0].Packets -= 612; s.Race.Met = 1 }, fail, 0, "612 of "},
			{"more in one round, fewer in another", func(s *sound) { s.Race.Counted[0].Packets -= 5; s.Race.Counted[1].Packets += 5 }, fail, 0, "5 of "},
			{"more than were made", func(s *sound) { s.Race.Counted[0].Packets += 3 }, fail, 0, "3 more updates were counted than the "},
			{"more bytes than were sent", func(s *sound) { s.Race.Counted[0].Bytes += 64 }, fail, 0, "but with 64 bytes too many"},
			{"too slow to be raced", func(s *sound) { s.Race = observe.Race{Slow: observe.MaxRaced + 1} }, fail, 0, "a run takes 6001 instructions on average; a program that takes more than 6000 is not raced on two CPUs"},
			{"bytes only", func(s *sound) { s.Race.Counted[0].Bytes -= 64 }, fail, 0, "64 bytes are missing"},
			{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"},
		},
		"hot_path": {
			{"at the target", func(s *sound) { s.Path.Instructions = 50 }, pass, 1, ""},
			{"one more", func(s *sound) { s.Path.Instructions = 51 }, partial, 24. / 25, "longest path through the program is 51 instructions; 50 is the target, the starter's is 75"},
			{"as long as the starter's", func(s *sound) { s.Path.Instructions = 75 }, fail, 0, "75"},
			{"longer than the starter's", func(s *sound) { s.Path.Instructions = 400 }, fail, 0, "400"},
			{"no bound", func(s *sound) { s.Path = path{Naive: 75, Problem: "counter.bpf.c:42: a loop"} }, fail, 0, "counter.bpf.c:42: a loop"},
			{"not loaded", func(s *sound) { s.Load.Accepted = false }, pass, 1, ""}, // the object alone says it
		},
		"sharing": {
			{"two writes", func(s *sound) {
				s.Path.SharedWrites, s.Path.MapType = onPath{2, []string{"counter.bpf.c:9: c->packets++;"}}, "Array"
			}, fail, 0,
				"a packet makes up to 2 writes to memory that all CPUs write"},
			{"one write", func(s *sound) { s.Path.SharedWrites.Most = 1 }, fail, 0, "up to 1 write"},
			{"no bound, and nothing shared", func(s *sound) { s.Path = path{Naive: 75, Problem: "counter.bpf.c:42: a loop"} }, pass, 1, ""},
		},
		"calls": {
			{"two", func(s *sound) { s.Path.Calls.Most = 2 }, partial, 2. / 3, "a packet makes up to 2 helper calls; 1 is the target, the starter makes 4"},
			{"none", func(s *sound) { s.Path.Calls.Most = 0 }, pass, 1, ""},
			{"as many as the starter", func(s *sound) { s.Path.Calls.Most = 4 }, fail, 0, "4 helper calls"},
			{"no bound", func(s *sound) { s.Path = path{Naive: 75, NaiveCalls: 4, Problem: "counter.bpf.c:42: a loop"} }, fail, 0, "counter.bpf.c:42: a loop"},
		},
		"throughput": {
			{"the reference", func(*sound) {}, pass, 1, "PerCPUArray: 50.0 instructions a packet over the empty program; the starter needs 800.0, the reference 50.0"},
			{"better than the reference", func(s *sound) { s.Drop.Yours = flat(835) }, pass, 1, "35.0 instructions"},
			{"work put off", func(s *sound) { s.Drop.Yours.Mean += 250 }, fail, 0, "a typical run takes 50 instructions a packet over the empty program, the average is 239 more: work is put off"},
			{"a tick more", func(s *sound) { s.Drop.Yours.Mean += 11 }, pass, 1, "50.0 instructions"},
			{"a little work put off", func(s *sound) { s.Drop.Yours.Mean += 100 }, partial, math.Log(796.25/138.839285714) / math.Log(796.25/53.75), "138.8 instructions"},
			{"as often interrupted as the empty program", func(s *sound) { s.Drop.Yours.Mean += 150; s.Drop.Empty.Mean += 150 }, pass, 1, ""},
			{"at the end of the slack", func(s *sound) { s.Drop.Yours = flat(853.75) }, pass, 1, ""},
			{"half as often halved", func(s *sound) { s.Drop.Yours = flat(800 + math.Sqrt(796.25*53.75)) }, partial, 0.5, "206.9 instructions"},
			{"cheaper than the empty program", func(s *sound) { s.Drop.Yours = flat(700) }, pass, 1, "-100.0 instructions"},
			{"the starter", func(s *sound) { s.Drop.Yours = flat(1600) }, fail, 0, "800.0 instructions"},
			{"the starter, measured elsewhere", func(s *sound) { s.Drop.Yours = flat(1596.25) }, fail, 0, "796.2 instructions"},
			{"worse than the starter", func(s *sound) { s.Drop.Yours = flat(16000) }, fail, 0, "15200.0 instructions"},
			{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"},
		},
		"overhead": {
			{"the reference", func(*sound) {}, pass, 1, ""},
			{"at the target", func(s *sound) { s.Pass.Yours = flat(8400) }, pass, 1, ""},
			{"half way", func(s *sound) { s.Pass.Yours = flat(8598.125) }, partial, 0.5, "takes 8000 instructions without the program and 8598 with it; the starter adds 10.0%"},
			{"the starter", func(s *sound) { s.Pass.Yours = flat(8800) }, fail, 0, "8800"},
			{"work put off", func(s *sound) { s.Pass.Yours.Mean += 250 }, fail, 0, "work is put off"},
			{"where the reference misses the target, it is the target", func(s *sound) { s.Pass.Reference, s.Pass.Yours = flat(8480), flat(8480) }, pass, 1, ""},
			{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"},
		},
	})
}

func flat(x float64) job.Timing { return timings(x, x, x, x).Yours }

// One mistake that explains all counts is named before them. It earns no points and costs none.
func TestDiagnose(t *testing.T) {
	assert.Empty(t, diagnose(newSound().Alone.Kinds, testFrames).text)
	for _, m := range mistakes {
		s := newSound()
		for i, k := range s.Alone.Kinds {
			c := observe.KindCount{Kind: k.Kind}
			for _, f := range ofKind(testFrames, k.Kind) {
				would := m.would(f)
				c.Packets += would.Packets
				c.Bytes += would.Bytes
			}
			s.Alone.Kinds[i] = c
		}
		assert.Equal(t, m.text, diagnose(s.Alone.Kinds, testFrames).text)
		task := judges.Judge(t, s).Kernels[0].Tasks[1]
		assert.Equal(t, m.text, task.Message)
		assert.NotEmpty(t, task.Details, "and the counts themselves")
		s.Alone.Kinds[0].Bytes++
		assert.NotEqual(t, m.text, diagnose(s.Alone.Kinds, testFrames).text, "that does not explain all of it")
	}
}

// What is far cheaper than the reference is believed only if it is seen twice, and is then worth what
// the worse of the two is.
func TestDoubt(t *testing.T) {
	cheap := newSound()
	cheap.Drop.Yours = flat(810)
	first := judges.Observations(t, cheap)
	case1 := judge.Case{Kernel: "6.12", Observations: first}
	r := judge.Judge(Lab.Tasks, []judge.Case{case1})
	assert.Equal(t, 89.0, r.Score)
	assert.True(t, r.Kernels[0].Doubtful())
	assert.Contains(t, r.Kernels[0].Tasks[6].Message, "10 instructions a packet over the empty program, where the reference takes 50, suspiciously low, and not accepted until confirmed with another seed")

	case1.Again = first
	r = judge.Judge(Lab.Tasks, []judge.Case{case1})
	assert.Equal(t, 100.0, r.Score)
	assert.False(t, r.Kernels[0].Doubtful())
	assert.Contains(t, r.Kernels[0].Tasks[6].Message, "so it was checked again with another seed, which confirmed it")

	lazy := newSound()
	lazy.Drop.Yours = flat(810)
	lazy.Drop.Counts = nil
	case1.Again = judges.Observations(t, lazy)
	r = judge.Judge(Lab.Tasks, []judge.Case{case1})
	assert.Equal(t, 10.0, r.Score, "the verifier alone")
	assert.Contains(t, r.Kernels[0].Tasks[1].Message, "checked again with another seed: timed with the verdict XDP_DROP")
}

// unusedProtocol is one that the mix of testSeed has no sound frame of.
var unusedProtocol = func() uint32 {
	for _, c := range truth(testFrames, len(testFrames)) {
		if c.Packets == 0 {
			return c.Protocol
		}
	}
	panic("every protocol is used")
}()

// What was counted wrong, its hint goes by.
func TestHintsFitWhatWasFound(t *testing.T) {
	type change = func(*sound)
	// counting has each frame counted by a program with a mistake.
	counting := func(would func(traffic.Frame) observe.Count) change {
		return func(s *sound) {
			for i, k := range s.Alone.Kinds {
				var c observe.Count
				for _, f := range ofKind(testFrames, k.Kind) {
					one := would(f)
					c.Packets += one.Packets
					c.Bytes += one.Bytes
				}
				s.Alone.Kinds[i].Packets, s.Alone.Kinds[i].Bytes = c.Packets, c.Bytes
			}
		}
	}
	counts := map[string][]change{
		"bytes": {func(s *sound) { s.kind("IPv4").Bytes++ }, func(s *sound) { s.kind("IPv4").Bytes++; s.kind("UDP").Bytes-- }},
		"too many": {
			func(s *sound) { s.kind("ARP").Packets++ },
			func(s *sound) { s.kind("ARP").Packets++; s.kind("UDP").Bytes++ },
		},
		"too few": {func(s *sound) { s.kind("IPv4").Packets-- }},
		"verdict": {func(s *sound) { s.Alone.Returns[0].Returns[239] = 7 }},
		"timed":   {func(s *sound) { s.Drop.Counts[0].Packets-- }, func(s *sound) { s.Pass.Counts[0].Bytes++; s.Pass.Delivered-- }},
		"passed on": {
			func(s *sound) { s.Pass.Delivered-- },
			func(s *sound) { s.Pass.Became = map[string]uint64{"Ip: InReceives": 1699} },
		},
		"": {
			func(s *sound) { s.kind("ARP").Packets++; s.kind("IPv4").Packets-- },
			func(s *sound) { s.kind("ARP").Packets++; s.Alone.Returns[0].Returns[239] = 7 },
		},
	}
	for _, m := range mistakes {
		counts[m.finding] = append(counts[m.finding], counting(m.would))
	}
	counts["empty"] = []change{func(s *sound) { s.Path.NeverInserts = true; counts["nothing"][0](s) }}
	judges.Hinted(t, map[string]map[string][]change{
		"counts": counts,
		"throughput": {
			"calls": {
				func(s *sound) { s.Drop.Yours = flat(900); s.Path.MapType = "Hash" },
				func(s *sound) { s.Drop.Yours = flat(900); s.Path.Calls.Most = 2 },
			},
			"own lines": {func(s *sound) { s.Drop.Yours = flat(900) }, func(s *sound) { s.Drop.Yours = flat(900); s.Path.MapType = "Array" }},
		},
		"concurrency": {"EXTRA": {func(s *sound) { s.Race.Counted[0].Packets += 3 }}, "": {func(s *sound) { s.Race.Counted[0].Packets-- }}},
		"hot_path":    {"?": {func(s *sound) { s.Path = path{Naive: 75, Problem: "counter.bpf.c:42: a loop"} }}},
	})
}

// Every judge needs what it judges: without it the grader has failed, not the submission.
func TestMissingObservations(t *testing.T) {
	judges.Missing(t, map[string][]string{
		"verifier":    {"load"},
		"counts":      {"load", "seed", "alone", "drop", "pass"},
		"concurrency": {"load", "seed", "race"},
		"sharing":     {"path"},
		"hot_path":    {"path"},
		"calls":       {"path"},
		"throughput":  {"load", "drop", "path"},
		"overhead":    {"load", "pass"},
	})
}

// So it has where what was observed cannot be.
func TestImpossibleObservations(t *testing.T) {
	judges.Impossible(t, map[string]judgetest.Impossible[sound]{
		"CPUs that met too seldom to tell":         {"concurrency", func(s *sound) { s.Race.Met = metRounds - 1 }},
		"no race at all, and no reason":            {"concurrency", func(s *sound) { s.Race = observe.Race{Slow: observe.MaxRaced} }},
		"no race at all":                           {"concurrency", func(s *sound) { s.Race = observe.Race{} }},
		"a round is missing":                       {"concurrency", func(s *sound) { s.Race.Counted = s.Race.Counted[1:] }},
		"a round of another protocol":              {"concurrency", func(s *sound) { s.Race.Counted[2].Protocol++ }},
		"more rounds than there are":               {"concurrency", func(s *sound) { s.Race.Met = observe.RaceRounds + 1 }},
		"nothing of what became of frames":         {"counts", func(s *sound) { s.Pass.BecameReference = nil }},
		"a frame is missing":                       {"counts", func(s *sound) { s.Alone.Returns[1].Returns = s.Alone.Returns[1].Returns[1:] }},
		"a frame too many":                         {"counts", func(s *sound) { s.Alone.Returns[0].Returns = append(s.Alone.Returns[0].Returns, 3) }},
		"a verdict is missing":                     {"counts", func(s *sound) { s.Alone.Returns = s.Alone.Returns[1:] }},
		"the last verdict is missing":              {"counts", func(s *sound) { s.Alone.Returns = s.Alone.Returns[:len(s.Alone.Returns)-1] }},
		"another verdict":                          {"counts", func(s *sound) { s.Alone.Returns[1].Verdict = 9 }},
		"a kind is missing":                        {"counts", func(s *sound) { s.Alone.Kinds = s.Alone.Kinds[1:] }},
		"a billion frames":                         {"counts", func(s *sound) { s.Drop.Sent = 1e9 }},
		"fewer than no frames":                     {"throughput", func(s *sound) { s.Drop.Sent = -1 }},
		"a packet for nothing":                     {"throughput", func(s *sound) { s.Drop.Yours = flat(0) }},
		"receiving for nothing":                    {"overhead", func(s *sound) { s.Pass.Empty = flat(0) }},
		"an endless packet":                        {"throughput", func(s *sound) { s.Drop.Yours = flat(1e300) }},
		"the starter as cheap as the reference":    {"throughput", func(s *sound) { s.Drop.Naive = s.Drop.Reference }},
		"the reference cheaper than doing nothing": {"overhead", func(s *sound) { s.Pass.Reference = flat(7999) }},
	})
}

// A program that the verifier rejected leaves the two guests without anything to observe:
// that is the submission's fault, and the grade is complete.
func TestRejectedIsGraded(t *testing.T) { judges.Rejected(t, "path") }

// A guest that broke off is the grader's fault, also where another guest's word is there.
func TestNotLoadedIsNotMissing(t *testing.T) {
	r := judges.Judge(t, newSound(), "alone")
	assert.False(t, r.Complete)
}

// Of many wrong counts the first is the message and the others are details, but not all 256.
func TestCountsDetails(t *testing.T) {
	judgeIt := func(change func(*sound)) judge.Verdict {
		s := newSound()
		change(s)
		v, err := judgeCounts(judges.Observations(t, s))
		require.NoError(t, err)
		return v
	}
	v := judgeIt(func(s *sound) { s.kind("ARP").Packets = 4; s.kind("IPv6").Packets = 4; s.Drop.Counts = nil })
	assert.Equal(t, `frames of the kind "ARP": 4 counted, 0 should have been`, v.Message)
	assert.Equal(t, []string{`frames of the kind "IPv6": 4 counted, 0 should have been`}, v.Details, "where the kinds tell, the protocols add nothing")

	v = judgeIt(func(s *sound) { s.kind("ARP").Packets = 1 })
	assert.Empty(t, v.Details, "the message says it")

	v = judgeIt(func(s *sound) { s.Drop.Counts = nil })
	require.Len(t, v.Details, judge.MaxFound+1)
	assert.Regexp(t, `^… and \d+ more$`, v.Details[judge.MaxFound])
	assert.Equal(t, float64(observe.WireFrames*52/64), v.Measured.Value, "52 of 64 frames count")

	v = judgeIt(func(s *sound) {
		for i := range s.Alone.Returns[0].Returns {
			s.Alone.Returns[0].Returns[i] = 9
		}
	})
	assert.Len(t, v.Details, len(newSound().Alone.Kinds)-1, "one line a kind, not one a frame, and the first is the message")
}

// The last line counts those that are left out, and is there only if there are any.
func TestCountsDetailsLeftOut(t *testing.T) {
	for wrong, last := range map[int]string{judge.MaxFound + 1: "", judge.MaxFound + 2: "… and 1 more", judge.MaxFound + 10: "… and 9 more"} {
		s := newSound()
		counts := []*observe.Count{}
		for i := range s.Drop.Counts {
			counts = append(counts, &s.Drop.Counts[i], &s.Pass.Counts[i])
		}
		require.Greater(t, len(counts), wrong)
		for _, c := range counts[:wrong] {
			c.Packets++
		}
		v, err := judgeCounts(judges.Observations(t, s))
		require.NoError(t, err)
		if last == "" {
			assert.Len(t, v.Details, judge.MaxFound)
			continue
		}
		require.Len(t, v.Details, judge.MaxFound+1, "%d wrong", wrong)
		assert.Equal(t, last, v.Details[judge.MaxFound], "%d wrong", wrong)
	}
}

// What a report shows beside a verdict.
func TestMeasured(t *testing.T) {
	for _, tt := range []struct {
		task             string
		change           func(*sound)
		measured, target float64
		cell             string
	}{
		{"concurrency", func(s *sound) { s.Race.Counted[0].Packets -= 5; s.Race.Counted[1].Packets += 2 }, 7, 0, "LOST"},
		{"hot_path", func(*sound) {}, 35, 50, "35"},
		{"sharing", func(s *sound) { s.Path.SharedWrites.Most = 2 }, 2, 0, "2"},
		{"calls", func(s *sound) { s.Path.Calls.Most = 3 }, 3, 1, "3"},
		{"throughput", func(s *sound) { s.Drop.Yours = flat(1000) }, 1_000_000, 1_171_303, "1.00M"}, // 1e9 ns / 853.75
		{"overhead", func(s *sound) { s.Pass.Yours = flat(8100) }, 1.25, 5, "1.2%"},
	} {
		s := newSound()
		tt.change(s)
		for _, task := range judges.Judge(t, s).Kernels[0].Tasks {
			if task.ID == tt.task {
				assert.Equal(t, tt.measured, task.Measured.Value, tt.task)
				assert.Equal(t, tt.target, task.Target.Value, tt.task)
				assert.Equal(t, tt.cell, task.Cell, tt.task)
			}
		}
	}
}

// Speed is judged where counts are right on one CPU: what two CPUs lose costs the points of that task, so that
// no change of one line is worth more than a quarter of the lab.
func TestSpeedNeedsRightCounts(t *testing.T) {
	s := newSound()
	s.Race.Counted[0].Packets -= 5
	r := judges.Judge(t, s)
	assert.Equal(t, 88.0, r.Score, "all but two CPUs")

	s = newSound()
	s.Pass.Counts[0].Bytes++
	r = judges.Judge(t, s)
	assert.Equal(t, 10.0, r.Score, "the verifier alone")
	for n, task := range r.Kernels[0].Tasks[2:] {
		assert.Equal(t, "not judged: task 2 first", task.Message, "task %d", n+3)
	}

	s = newSound()
	s.Load.Stats.Processed = 600
	r = judges.Judge(t, s)
	assert.Equal(t, 99.8, r.Score, "the budget is no gate")
}
