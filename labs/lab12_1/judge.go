// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"errors"
	"fmt"
	"math"

	"bpflab/harness/judge"
	"bpflab/harness/traffic"
)

// maxFound is how many lines a report spends on what was counted wrong.
const maxFound = 20

// judgeCounts compares with the truth, which only the seed knows.
func judgeCounts(o judge.Observations) (judge.Verdict, error) {
	m, err1 := judge.Get[mix](o, "mix")
	drop, err2 := getCost(o, "drop")
	pass, err3 := getCost(o, "pass")
	if err := errors.Join(err1, err2, err3); err != nil {
		return judge.Verdict{}, err
	}
	frames := traffic.Mix(m.Seed, m.Frames)
	if len(m.Returns) != len(frames) || len(m.Kinds) != len(kinds(frames)) {
		return judge.Verdict{}, fmt.Errorf("expected verdicts for %d frames and counts of %d kinds, found %d and %d",
			len(frames), len(kinds(frames)), len(m.Returns), len(m.Kinds))
	}
	v := judge.Verdict{
		Status: judge.Pass, Fraction: 1,
		Measured: judge.Quantity{Unit: "packets counted wrong"}, Target: judge.Quantity{Unit: "packets counted wrong"},
	}
	var found []string
	wrong := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	told := map[string]bool{}
	for i, ret := range m.Returns {
		if kind := frames[i].Kind; ret != m.Verdict && !told[kind] {
			told[kind] = true
			wrong("a frame (%s) got the verdict %d; `verdict` was %d", kind, ret, m.Verdict)
		}
	}
	// One kind at a time: this says what the program takes for what.
	for _, have := range m.Kinds {
		of := ofKind(frames, have.Kind)
		want := total(truth(of, len(of)))
		if have.Packets != want.Packets {
			wrong("frames of the kind %q: %d counted, %d should have been", have.Kind, have.Packets, want.Packets)
		} else if have.Bytes != want.Bytes {
			wrong("frames of the kind %q: %d bytes counted, %d should have been", have.Kind, have.Bytes, want.Bytes)
		}
	}
	kindsWrong := len(found) > 0
	compare := func(when string, want, have []count) {
		got := map[uint32]count{}
		for _, c := range have {
			got[c.Protocol] = c
		}
		for _, want := range want {
			have := got[want.Protocol]
			v.Measured.Value += math.Abs(float64(have.Packets) - float64(want.Packets))
			if (have.Packets != want.Packets || have.Bytes != want.Bytes) && !kindsWrong {
				wrong("%sprotocol %d: %d packets and %d bytes counted; %d and %d were sent",
					when, want.Protocol, have.Packets, have.Bytes, want.Packets, want.Bytes)
			}
		}
	}
	// All together over the wire: this says whether the counts hold.
	compare("", truth(frames, m.Sent), m.Counts)
	// And again while the program is timed: it may do no less then.
	compare("timed with the verdict XDP_DROP, ", truth(hot(hotProtocols), drop.Sent), drop.Counts)
	compare("timed with the verdict XDP_PASS, ", truth(hot(hotProtocols[:1]), pass.Sent), pass.Counts)

	if len(found) > 0 {
		v.Status, v.Fraction, v.Cell, v.Message = judge.Fail, 0, "WRONG", found[0]
	}
	if rest := len(found) - maxFound; rest > 0 {
		found = append(found[:maxFound], fmt.Sprintf("… and %d more", rest))
	}
	if len(found) > 1 {
		v.Details = found
	}
	return v, nil
}

// hot are the frames that costs are measured with, as far as counts go.
func hot(protocols []int) (frames []traffic.Frame) {
	for _, p := range protocols {
		frames = append(frames, traffic.Frame{Protocol: p, Data: make([]byte, hotLength)})
	}
	return frames
}

func kinds(frames []traffic.Frame) map[string]bool {
	kinds := map[string]bool{}
	for _, f := range frames {
		kinds[f.Kind] = true
	}
	return kinds
}

// truth is what a right counter has counted after n frames, the list over and over. It has
// an entry for each protocol.
func truth(frames []traffic.Frame, n int) []count {
	counts := make([]count, 256)
	for p := range counts {
		counts[p].Protocol = uint32(p)
	}
	for i := range n {
		if f := frames[i%len(frames)]; f.Protocol != traffic.None {
			counts[f.Protocol].Packets++
			counts[f.Protocol].Bytes += uint64(len(f.Data))
		}
	}
	return counts
}

func total(counts []count) (sum count) {
	for _, c := range counts {
		sum.Packets += c.Packets
		sum.Bytes += c.Bytes
	}
	return sum
}

func ofKind(frames []traffic.Frame, kind string) (of []traffic.Frame) {
	for _, f := range frames {
		if f.Kind == kind {
			of = append(of, f)
		}
	}
	return of
}

func judgeConcurrency(o judge.Observations) (judge.Verdict, error) {
	r, err := judge.Get[race](o, "race")
	if err != nil {
		return judge.Verdict{}, err
	}
	v := judge.Verdict{
		Status: judge.Pass, Fraction: 1,
		Measured: judge.Quantity{Value: float64(r.Lost), Unit: "lost updates"}, Target: judge.Quantity{Unit: "lost updates"},
	}
	switch {
	case r.Lost > 0:
		v.Status, v.Fraction, v.Cell = judge.Fail, 0, "LOST"
		v.Message = fmt.Sprintf("%d of %d updates lost: both CPUs read the same old value and wrote their own new one", r.Lost, r.Updates)
	case r.Lost < 0:
		v.Status, v.Fraction, v.Cell = judge.Fail, 0, "EXTRA"
		v.Message = fmt.Sprintf("%d updates were counted more than the %d that were made", -r.Lost, r.Updates)
	case r.LostBytes < 0:
		v.Status, v.Fraction, v.Cell = judge.Fail, 0, "EXTRA"
		v.Message = fmt.Sprintf("every packet was counted, and %d bytes more than they had", -r.LostBytes)
	case r.LostBytes > 0:
		v.Status, v.Fraction, v.Cell = judge.Fail, 0, "LOST"
		v.Message = fmt.Sprintf("every packet was counted, but %d bytes are missing: both fields need protection", r.LostBytes)
	case r.Met < metRounds:
		return v, fmt.Errorf("nothing was lost, but neither did a program that is known to lose: the two CPUs met in %d of %d rounds, and %d are needed to tell",
			r.Met, r.Rounds, metRounds)
	}
	return v, nil
}

func judgePath(o judge.Observations) (judge.Verdict, error) {
	p, err := judge.Get[path](o, "path")
	if err != nil {
		return judge.Verdict{}, err
	}
	const unit = "BPF instructions"
	v := judge.Verdict{
		Measured: judge.Quantity{Value: float64(p.Instructions), Unit: unit}, Target: judge.Quantity{Value: pathTarget, Unit: unit},
	}
	if p.Problem != "" {
		v.Status, v.Cell, v.Message = judge.Fail, "?", p.Problem
		return v, nil
	}
	v.Fraction = judge.Between(v.Measured.Value, float64(p.Naive), pathTarget)
	v.Status, v.Cell = judge.Graded(v.Fraction), fmt.Sprint(p.Instructions)
	if v.Fraction < 1 {
		v.Message = fmt.Sprintf("the longest way through the program is %d instructions; %d is the target, the starter's is %d", p.Instructions, pathTarget, p.Naive)
	}
	return v, nil
}

// getCost returns costs that make sense: else the measurement has failed, not the submission.
func getCost(o judge.Observations, name string) (cost, error) {
	c, err := judge.Get[cost](o, name)
	if err != nil {
		return c, err
	}
	if c.Empty <= 0 || c.Yours <= 0 || c.Reference < c.Empty || c.Naive <= c.Reference {
		return c, fmt.Errorf("costs %q make no sense: a packet takes %.1f ns with the empty program, %.1f with the reference, %.1f with the starter, %.1f with the submission",
			name, c.Empty, c.Reference, c.Naive, c.Yours)
	}
	return c, nil
}

func judgeThroughput(o judge.Observations) (judge.Verdict, error) {
	c, err := getCost(o, "drop")
	if err != nil {
		return judge.Verdict{}, err
	}
	p, err := judge.Get[path](o, "path")
	if err != nil {
		return judge.Verdict{}, err
	}
	best := c.Reference + slack*(c.Naive-c.Reference)
	const unit = "packets/s (virtual)"
	v := judge.Verdict{
		Measured: judge.Quantity{Value: math.Round(1e9 / c.Yours), Unit: unit},
		Target:   judge.Quantity{Value: math.Round(1e9 / best), Unit: unit},
		Fraction: judge.Between(c.Yours, c.Naive, best),
	}
	v.Status, v.Cell = judge.Graded(v.Fraction), fmt.Sprintf("%.2fM", v.Measured.Value/1e6)
	v.Message = fmt.Sprintf("%s: %.1f instructions a packet over the empty program; the starter needs %.1f, the reference %.1f",
		p.MapType, c.Yours-c.Empty, c.Naive-c.Empty, c.Reference-c.Empty)
	return v, nil
}

func judgeOverhead(o judge.Observations) (judge.Verdict, error) {
	c, err := getCost(o, "pass")
	if err != nil {
		return judge.Verdict{}, err
	}
	overhead := func(with float64) float64 { return (with - c.Empty) / c.Empty }
	const unit = "% of receiving a packet"
	yours := overhead(c.Yours)
	v := judge.Verdict{
		Measured: judge.Quantity{Value: math.Round(1e4*yours) / 100, Unit: unit},
		Target:   judge.Quantity{Value: 100 * overheadTarget, Unit: unit},
		Fraction: judge.Between(yours, overhead(c.Naive), max(overheadTarget, overhead(c.Reference))),
	}
	v.Status, v.Cell = judge.Graded(v.Fraction), fmt.Sprintf("%.1f%%", 100*yours)
	if v.Fraction < 1 {
		v.Message = fmt.Sprintf("receiving a packet takes %.0f instructions without the program and %.0f with it; the starter adds %.1f%%", c.Empty, c.Yours, 100*overhead(c.Naive))
	}
	return v, nil
}
