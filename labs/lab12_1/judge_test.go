// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/judge"
	"bpflab/harness/judgetest"
	"bpflab/harness/traffic"
	"bpflab/harness/verifier"
)

// recount counts frames from their bytes, where truth counts them by what traffic says of
// them.
func recount(frames []traffic.Frame, n int) map[uint32]count {
	counts := map[uint32]count{}
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
		frames := traffic.Mix(seed, 240)
		for _, n := range []int{0, 1, 239, 240, 241, 7200} {
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

const testSeed = 4711

// sound is what is observed of a right and fast program.
type sound struct {
	Load verifier.Report
	Mix  mix
	Race race
	Path path
	Drop cost
	Pass cost
}

func newSound() *sound {
	const frames, rounds, timed = 240, 30, 2048
	s := &sound{
		Load: verifier.Report{Program: program, Accepted: true, Stats: verifier.Stats{Processed: 60}},
		Race: race{Updates: 600_000, Rounds: 16, Met: metRounds},
		Path: path{Instructions: 35, Naive: 75, MapType: "PerCPUArray"},
		Drop: cost{Cost: judge.Cost{Empty: 800, Naive: 1600, Reference: 850, Yours: 850}, Sent: timed},
		Pass: cost{Cost: judge.Cost{Empty: 8000, Naive: 8800, Reference: 8050, Yours: 8050}, Sent: timed},
	}
	list := traffic.Mix(testSeed, frames)
	s.Mix = mix{Seed: testSeed, Frames: frames, Sent: rounds * frames, Verdict: 3, Returns: slices.Repeat([]uint32{3}, frames)}
	for _, c := range recount(list, rounds*frames) {
		s.Mix.Counts = append(s.Mix.Counts, c)
	}
	alone := map[string]kind{}
	for _, f := range list {
		k := alone[f.Kind]
		k.Kind = f.Kind
		for _, c := range recount([]traffic.Frame{f}, 1) {
			k.Packets += c.Packets
			k.Bytes += c.Bytes
		}
		alone[f.Kind] = k
	}
	for _, k := range alone {
		s.Mix.Kinds = append(s.Mix.Kinds, k)
	}
	slices.SortFunc(s.Mix.Kinds, func(a, b kind) int { return strings.Compare(a.Kind, b.Kind) })
	s.Drop.Counts = []count{{1, 682, 682 * 64}, {6, 683, 683 * 64}, {17, 683, 683 * 64}}
	s.Pass.Counts = []count{{17, timed, timed * 64}}
	return s
}

var judges = judgetest.Judges[sound]{Tasks: Lab.Tasks, Sound: newSound, Named: func(s *sound) map[string]any {
	return map[string]any{
		"load": s.Load, "mix": s.Mix, "race": s.Race, "path": s.Path, "drop": s.Drop, "pass": s.Pass,
	}
}}

func (s *sound) kind(name string) *kind {
	return &s.Mix.Kinds[slices.IndexFunc(s.Mix.Kinds, func(k kind) bool { return k.Kind == name })]
}

func TestSoundSubmissionGetsEverything(t *testing.T) { judges.Full(t) }

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
			{"another verdict for one frame", func(s *sound) { s.Mix.Returns[239] = 2 }, fail, 0, "got the verdict 2; `verdict` was 3"},
			{"no verdict", func(s *sound) { s.Mix.Returns[0] = 0 }, fail, 0, "got the verdict 0"},
			{"a kind that should not count", func(s *sound) { s.kind("IHL below 5").Packets++ }, fail, 0, `frames of the kind "IHL below 5": 1 counted, 0 should have been`},
			{"a kind that should", func(s *sound) { s.kind("header that ends with the frame").Packets-- }, fail, 0, `frames of the kind "header that ends with the frame": 15 counted, 16 should have been`},
			{"bytes of a kind", func(s *sound) { s.kind("IPv4").Bytes++ }, fail, 0, `frames of the kind "IPv4": `},
			{"one packet over the wire", func(s *sound) { s.Mix.Counts[0].Packets-- }, fail, 0, " were sent"},
			{"one byte over the wire", func(s *sound) { s.Mix.Counts[0].Bytes++ }, fail, 0, " were sent"},
			{"a protocol that nothing was sent of", func(s *sound) { s.Mix.Counts = append(s.Mix.Counts, count{unusedProtocol, 1, 60}) }, fail, 0, "1 packets and 60 bytes counted; 0 and 0 were sent"},
			{"nothing over the wire", func(s *sound) { s.Mix.Counts = nil }, fail, 0, "0 packets and 0 bytes counted"},
			{"more frames sent than counted", func(s *sound) { s.Mix.Sent += 240 }, fail, 0, " were sent"},
			{"another seed's counts", func(s *sound) { s.Mix.Seed++ }, fail, 0, "should have been"},
			{"less when timed, dropping", func(s *sound) { s.Drop.Counts[0].Packets-- }, fail, 0, "timed with the verdict XDP_DROP, protocol 1: 681 packets and 43648 bytes counted; 682 and 43648 were sent"},
			{"nothing when timed, passing", func(s *sound) { s.Pass.Counts = nil }, fail, 0, "timed with the verdict XDP_PASS, protocol 17: 0 packets and 0 bytes counted; 2048 and 131072 were sent"},
			{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"},
		},
		"concurrency": {
			{"nothing lost", func(*sound) {}, pass, 1, ""},
			{"one lost", func(s *sound) { s.Race.Lost = 1 }, fail, 0, "1 of 600000 updates lost"},
			{"lost in rounds that met too seldom", func(s *sound) { s.Race.Lost, s.Race.Met = 612, 1 }, fail, 0, "612 of 600000 updates lost"},
			{"more than were made", func(s *sound) { s.Race.Lost = -3 }, fail, 0, "3 updates were counted more than the 600000"},
			{"more bytes than were sent", func(s *sound) { s.Race.LostBytes = -64 }, fail, 0, "and 64 bytes more than they had"},
			{"bytes only", func(s *sound) { s.Race.LostBytes = 64 }, fail, 0, "64 bytes are missing"},
			{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"},
		},
		"hot_path": {
			{"at the target", func(s *sound) { s.Path.Instructions = 50 }, pass, 1, ""},
			{"one more", func(s *sound) { s.Path.Instructions = 51 }, partial, 24. / 25, "longest way through the program is 51 instructions; 50 is the target, the starter's is 75"},
			{"as long as the starter's", func(s *sound) { s.Path.Instructions = 75 }, fail, 0, "75"},
			{"longer than the starter's", func(s *sound) { s.Path.Instructions = 400 }, fail, 0, "400"},
			{"no bound", func(s *sound) { s.Path = path{Naive: 75, Problem: "counter.bpf.c:42: a loop"} }, fail, 0, "counter.bpf.c:42: a loop"},
			{"not loaded", func(s *sound) { s.Load.Accepted = false }, pass, 1, ""}, // the object alone says it
		},
		"throughput": {
			{"the reference", func(*sound) {}, pass, 1, "PerCPUArray: 50.0 instructions a packet over the empty program; the starter needs 800.0, the reference 50.0"},
			{"better than the reference", func(s *sound) { s.Drop.Yours = 801 }, pass, 1, "1.0 instructions"},
			{"at the end of the slack", func(s *sound) { s.Drop.Yours = 887.5 }, pass, 1, ""},
			{"half way", func(s *sound) { s.Drop.Yours = (887.5 + 1600) / 2 }, partial, 0.5, "443.8 instructions"},
			{"the starter", func(s *sound) { s.Drop.Yours = 1600 }, fail, 0, "800.0 instructions"},
			{"worse than the starter", func(s *sound) { s.Drop.Yours = 16000 }, fail, 0, "15200.0 instructions"},
			{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"},
		},
		"overhead": {
			{"the reference", func(*sound) {}, pass, 1, ""},
			{"at the target", func(s *sound) { s.Pass.Yours = 8400 }, pass, 1, ""},
			{"half way", func(s *sound) { s.Pass.Yours = 8600 }, partial, 0.5, "takes 8000 instructions without the program and 8600 with it; the starter adds 10.0%"},
			{"the starter", func(s *sound) { s.Pass.Yours = 8800 }, fail, 0, "8800"},
			{"less than nothing", func(s *sound) { s.Pass.Yours = 7999 }, pass, 1, ""},
			{"where the reference misses the target, it is the target", func(s *sound) { s.Pass.Reference, s.Pass.Yours = 8480, 8480 }, pass, 1, ""},
			{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"},
		},
	})
}

// unusedProtocol is one that the mix of testSeed has no sound frame of.
var unusedProtocol = func() uint32 {
	for _, c := range truth(traffic.Mix(testSeed, 240), 240) {
		if c.Packets == 0 {
			return c.Protocol
		}
	}
	panic("every protocol is used")
}()

// Every judge needs what it judges: without it the grader has failed, not the submission.
func TestMissingObservations(t *testing.T) {
	judges.Missing(t, map[string][]string{
		"verifier":    {"load"},
		"counts":      {"load", "mix", "drop", "pass"},
		"concurrency": {"load", "race"},
		"hot_path":    {"path"},
		"throughput":  {"load", "drop", "path"},
		"overhead":    {"load", "pass"},
	})
}

// So it has where what was observed cannot be.
func TestImpossibleObservations(t *testing.T) {
	judges.Impossible(t, map[string]judgetest.Impossible[sound]{
		"CPUs that met too seldom to tell":         {"concurrency", func(s *sound) { s.Race.Met = metRounds - 1 }},
		"no race at all":                           {"concurrency", func(s *sound) { s.Race = race{} }},
		"a verdict is missing":                     {"counts", func(s *sound) { s.Mix.Returns = s.Mix.Returns[1:] }},
		"a verdict too many":                       {"counts", func(s *sound) { s.Mix.Returns = append(s.Mix.Returns, 3) }},
		"a kind is missing":                        {"counts", func(s *sound) { s.Mix.Kinds = s.Mix.Kinds[1:] }},
		"a packet for nothing":                     {"throughput", func(s *sound) { s.Drop.Yours = 0 }},
		"receiving for nothing":                    {"overhead", func(s *sound) { s.Pass.Empty = 0 }},
		"the starter as cheap as the reference":    {"throughput", func(s *sound) { s.Drop.Naive = s.Drop.Reference }},
		"the reference cheaper than doing nothing": {"overhead", func(s *sound) { s.Pass.Reference = s.Pass.Empty - 1 }},
	})
}

// A program that the verifier rejected leaves the two guests without anything to observe:
// that is the submission's fault, and the grade is complete.
func TestRejectedIsGraded(t *testing.T) { judges.Rejected(t, "path") }

// A guest that broke off is the grader's fault, also where another guest's word is there.
func TestNotLoadedIsNotMissing(t *testing.T) {
	r := judges.Judge(t, newSound(), "mix")
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
	v := judgeIt(func(s *sound) { s.kind("ARP").Packets = 16; s.kind("IPv6").Packets = 16; s.Mix.Counts = nil })
	assert.Equal(t, []string{
		`frames of the kind "ARP": 16 counted, 0 should have been`,
		`frames of the kind "IPv6": 16 counted, 0 should have been`,
	}, v.Details, "where the kinds tell, the protocols add nothing")
	assert.Equal(t, v.Details[0], v.Message)

	v = judgeIt(func(s *sound) { s.kind("ARP").Packets = 1 })
	assert.Empty(t, v.Details, "the message says it")

	v = judgeIt(func(s *sound) { s.Mix.Counts = nil })
	require.Len(t, v.Details, maxFound+1)
	assert.Regexp(t, `^… and \d+ more$`, v.Details[maxFound])
	assert.Equal(t, float64(7200*7/15), v.Measured.Value, "seven of fifteen kinds count")

	v = judgeIt(func(s *sound) {
		for i := range s.Mix.Returns {
			s.Mix.Returns[i] = 1
		}
	})
	assert.Len(t, v.Details, len(newSound().Mix.Kinds), "one line a kind, not one a frame")
}

func TestSpeedNeedsRightCounts(t *testing.T) {
	s := newSound()
	s.Race.Lost = 5
	r := judges.Judge(t, s)
	assert.Equal(t, 40.0, r.Score, "verifier, counts and hot path")

	s = newSound()
	s.Mix.Counts[0].Bytes++
	r = judges.Judge(t, s)
	assert.Equal(t, 10.0, r.Score, "the verifier alone")

	s = newSound()
	s.Load.Stats.Processed = 600
	r = judges.Judge(t, s)
	assert.Equal(t, 99.8, r.Score, "the budget is no gate")
}
