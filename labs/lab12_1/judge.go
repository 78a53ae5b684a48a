// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/dustin/go-humanize/english"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
	"bpflab/harness/traffic"
	"bpflab/labs/lab12_1/observe"
)

// seedOf is what guests draw from.
func seedOf(o job.Observations) (uint64, error) {
	seed, err := job.GetSeed(o)
	return seed.Part(job.PartScenes), err
}

// judgeCounts compares with the truth, which only the seed knows.
func judgeCounts(o job.Observations) (judge.Verdict, error) {
	seed, err1 := seedOf(o)
	a, err2 := job.Get[observe.Alone](o, "alone")
	if err := errors.Join(err1, err2); err != nil {
		return judge.Verdict{}, err
	}
	frames := traffic.Mix(seed, traffic.Listed)
	if err := checkAlone(a, seed, frames); err != nil {
		return judge.Verdict{}, err
	}
	v := judge.Verdict{
		Status: judge.Pass, Fraction: 1,
		Measured: judge.Quantity{Unit: "packets counted wrong"}, Target: judge.Quantity{Unit: "packets counted wrong"},
	}
	var found []string
	wrong := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	told := map[string]bool{}
	for _, r := range a.Returns {
		for i, ret := range r.Returns {
			if kind := frames[i].Kind; ret != r.Verdict && !told[kind] {
				told[kind] = true
				wrong("a frame (%s) got %s; `verdict` was %s: every way out returns it", kind, verdictName(ret), verdictName(r.Verdict))
			}
		}
	}
	// One kind at a time: this says what the program takes for what.
	for _, have := range a.Kinds {
		of := ofKind(frames, have.Kind)
		want := observe.Total(truth(of, len(of)))
		if have.Packets != want.Packets {
			wrong("frames of the kind %q: %d counted, %d should have been", have.Kind, have.Packets, want.Packets)
		} else if have.Bytes != want.Bytes {
			wrong("frames of the kind %q: %d bytes counted, %d should have been", have.Kind, have.Bytes, want.Bytes)
		}
	}
	kindsWrong := len(found) > 0
	v.Finding = findingOf(a, frames)
	if m := diagnose(a.Kinds, frames); m.text != "" {
		p, _ := job.Get[path](o, "path") // which only explains
		if m.finding == "nothing" && p.NeverInserts {
			m.finding, m.text = "empty", "nothing was counted: counts is a hash and stays empty: a look-up finds nothing until bpf_map_update_elem has put the entry there"
		}
		found = append([]string{m.text}, found...)
		v.Finding = m.finding
	}
	// All together over the wire, as they are timed: a program may do no less then.
	miscounted := false
	if a.Obeyed() {
		for _, at := range []struct {
			name    string
			verdict uint32
		}{{"drop", observe.XDPDrop}, {"pass", observe.XDPPass}} {
			w, err := getWire(o, at.name)
			if err != nil {
				return v, err
			}
			got := map[uint32]observe.Count{}
			for _, c := range w.Counts {
				got[c.Protocol] = c
			}
			for _, want := range truth(frames, w.Sent) {
				have := got[want.Protocol]
				v.Measured.Value += math.Abs(float64(have.Packets) - float64(want.Packets))
				if (have.Packets != want.Packets || have.Bytes != want.Bytes) && !kindsWrong {
					miscounted = true
					wrong("timed with the verdict %s, protocol %d: %d packets and %d bytes counted; %d and %d were sent",
						verdictNames[at.verdict], want.Protocol, have.Packets, have.Bytes, want.Packets, want.Bytes)
				}
			}
			if want := observe.Deliveries(frames, w.Sent, at.verdict); w.Delivered != want {
				wrong("timed with the verdict %s: %d packets reached the socket, %d should have", verdictNames[at.verdict], w.Delivered, want)
			}
			for _, difference := range meddled(w) {
				wrong("timed with the verdict %s: %s", verdictNames[at.verdict], difference)
			}
		}
	}
	switch {
	case kindsWrong || len(found) == 0:
	case miscounted:
		v.Finding = "timed"
	default:
		v.Finding = "passed on"
	}
	return judge.Found(v, "WRONG", found), nil
}

// findingOf says in a word what is wrong with frames that came one kind at a time, if it is only one thing.
func findingOf(a observe.Alone, frames []traffic.Frame) string {
	more, fewer, bytes := false, false, false
	for _, have := range a.Kinds {
		of := ofKind(frames, have.Kind)
		want := observe.Total(truth(of, len(of)))
		more = more || have.Packets > want.Packets
		fewer = fewer || have.Packets < want.Packets
		bytes = bytes || have.Packets == want.Packets && have.Bytes != want.Bytes
	}
	switch {
	case !more && !fewer && !bytes && !a.Obeyed():
		return "verdict"
	case !a.Obeyed(), more && fewer:
		return ""
	case more:
		return "too many"
	case fewer:
		return "too few"
	case bytes:
		return "bytes"
	}
	return ""
}

// diagnose returns the mistake that explains all that was counted of each kind. It is empty where counts are right, and
// where no mistake that is known explains them.
func diagnose(have []observe.KindCount, frames []traffic.Frame) (none mistake) {
	for _, m := range mistakes {
		explains, differs := true, false
		for _, k := range have {
			of := ofKind(frames, k.Kind)
			want := observe.Total(truth(of, len(of)))
			var would observe.Count
			for _, f := range of {
				c := m.would(f)
				would.Packets += c.Packets
				would.Bytes += c.Bytes
			}
			explains = explains && k.Packets == would.Packets && k.Bytes == would.Bytes
			differs = differs || would.Packets != want.Packets || would.Bytes != want.Bytes
		}
		if explains && differs {
			return m
		}
	}
	return none
}

// A mistake explains the counts of all kinds of frames.
type mistake struct {
	finding, text string
	would         func(traffic.Frame) observe.Count // what it makes of a frame
}

var mistakes = []mistake{
	{"nothing", "nothing was counted: none of the frames that should be", func(traffic.Frame) (c observe.Count) { return c }},
	{"swapped", "packets and bytes are swapped: each field of `struct count` holds what belongs in the other", func(f traffic.Frame) observe.Count {
		c := counted(f)
		return observe.Count{Packets: c.Bytes, Bytes: c.Packets}
	}},
	{"byte order", "frames of the type 0x0008 were counted instead of 0x0800: h_proto is in network byte order, so compare it with bpf_htons(ETH_P_IP)", func(f traffic.Frame) (c observe.Count) {
		if len(f.Data) >= 34 && f.Data[12] == 0x08 && f.Data[13] == 0x00 {
			return c
		}
		if len(f.Data) >= 34 && f.Data[12] == 0x00 && f.Data[13] == 0x08 {
			return observe.Count{Packets: 1, Bytes: uint64(len(f.Data))}
		}
		return c
	}},
	{"one field", "only packets were counted: bytes stay 0", func(f traffic.Frame) observe.Count { return observe.Count{Packets: counted(f).Packets} }},
	{"one field", "only bytes were counted: packets stay 0", func(f traffic.Frame) observe.Count { return observe.Count{Bytes: counted(f).Bytes} }},
	{"twice", "every packet was counted twice", func(f traffic.Frame) observe.Count {
		c := counted(f)
		return observe.Count{Packets: 2 * c.Packets, Bytes: 2 * c.Bytes}
	}},
	{"bytes", "bytes are without the Ethernet header, 14 too few for each packet: the frame's length is data_end - data", func(f traffic.Frame) observe.Count {
		c := counted(f)
		return observe.Count{Packets: c.Packets, Bytes: c.Bytes - 14*c.Packets}
	}},
	{"bytes", "bytes are those of the IP header's length field, which a sender can set to anything: the frame's length is data_end - data", func(f traffic.Frame) observe.Count {
		return observe.Count{Packets: counted(f).Packets, Bytes: lengthField(f, false)}
	}},
	{"bytes", "bytes are those of the IP header's length field, in the wrong byte order: the frame's length is data_end - data", func(f traffic.Frame) observe.Count {
		return observe.Count{Packets: counted(f).Packets, Bytes: lengthField(f, true)}
	}},
}

// counted is what a right counter makes of a frame.
func counted(f traffic.Frame) observe.Count {
	return observe.Total(truth([]traffic.Frame{f}, 1))
}

// lengthField is tot_len of a frame that counts, as its header has it or with its bytes swapped.
func lengthField(f traffic.Frame, swapped bool) uint64 {
	if counted(f).Packets == 0 {
		return 0
	}
	if swapped {
		return uint64(binary.LittleEndian.Uint16(f.Data[16:]))
	}
	return uint64(binary.BigEndian.Uint16(f.Data[16:]))
}

// meddled says what the driver and the stack did with the frames that they do not do with the reference: a
// program may return another verdict for those that no socket waits for, or make others of them.
func meddled(w observe.Wire) (found []string) {
	names := map[string]bool{}
	for _, counters := range []map[string]uint64{w.Became, w.BecameReference} {
		for name := range counters {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if have, want := w.Became[name], w.BecameReference[name]; have != want {
			found = append(found, fmt.Sprintf("the kernel counted %d of %q, but %d when the reference ran: each frame gets the same verdict, and goes on as it came", have, name, want))
		}
	}
	return found
}

var verdictNames = map[uint32]string{0: "XDP_ABORTED", 4: "XDP_REDIRECT", observe.XDPDrop: "XDP_DROP", observe.XDPPass: "XDP_PASS", observe.XDPTX: "XDP_TX"}

// checkAlone fails for what cannot have been observed.
func checkAlone(a observe.Alone, seed uint64, frames []traffic.Frame) error {
	want := observe.Verdicts(seed)
	if len(a.Returns) != len(want) || len(a.Kinds) != len(kinds(frames)) {
		return fmt.Errorf("expected %d verdicts and counts of %d kinds, found %d and %d", len(want), len(kinds(frames)), len(a.Returns), len(a.Kinds))
	}
	for i, r := range a.Returns {
		if r.Verdict != want[i] || len(r.Returns) != len(frames) {
			return fmt.Errorf("expected what %d frames got where the verdict was %d, found %d and %d", len(frames), want[i], len(r.Returns), r.Verdict)
		}
	}
	return nil
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
func truth(frames []traffic.Frame, n int) []observe.Count {
	counts := make([]observe.Count, 256)
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

func ofKind(frames []traffic.Frame, kind string) (of []traffic.Frame) {
	for _, f := range frames {
		if f.Kind == kind {
			of = append(of, f)
		}
	}
	return of
}

func judgeConcurrency(o job.Observations) (judge.Verdict, error) {
	seed, err1 := seedOf(o)
	r, err2 := job.Get[observe.Race](o, "race")
	if err := errors.Join(err1, err2); err != nil {
		return judge.Verdict{}, err
	}
	if r.Slow > observe.MaxRaced {
		return judge.Verdict{Status: judge.Fail, Cell: "SLOW", Message: fmt.Sprintf(
			"a run takes %.0f instructions on average; a program that takes more than %d is not raced on two CPUs", r.Slow, observe.MaxRaced)}, nil
	}
	rounds := observe.DrawRace(seed)
	if len(r.Counted) != len(rounds) {
		return judge.Verdict{}, fmt.Errorf("expected %d rounds, found %d", len(rounds), len(r.Counted))
	}
	var updates, lost, extra, lostBytes, extraBytes uint64
	more := func(want, have uint64, lost, extra *uint64) {
		*lost += max(want, have) - have
		*extra += max(want, have) - want
	}
	for i, round := range rounds {
		have, packets := r.Counted[i], uint64(round.Updates[0])+uint64(round.Updates[1])
		if have.Protocol != round.Protocol {
			return judge.Verdict{}, fmt.Errorf("expected a round of protocol %d, found %d", round.Protocol, have.Protocol)
		}
		updates += packets
		more(packets, have.Packets, &lost, &extra)
		bytes := uint64(round.Updates[0])*uint64(round.Length[0]) + uint64(round.Updates[1])*uint64(round.Length[1])
		more(bytes, have.Bytes, &lostBytes, &extraBytes)
	}
	v := judge.Verdict{
		Status: judge.Pass, Fraction: 1,
		Measured: judge.Quantity{Value: float64(lost) + float64(extra), Unit: "updates lost or made up"}, Target: judge.Quantity{Unit: "updates lost or made up"},
	}
	fail := func(cell, format string, args ...any) (judge.Verdict, error) {
		v.Status, v.Fraction, v.Cell, v.Message = judge.Fail, 0, cell, fmt.Sprintf(format, args...)
		return v, nil
	}
	switch {
	case lost > 0:
		return fail("LOST", "%d of %d updates lost: both CPUs read the same old value and wrote their own new one", lost, updates)
	case extra > 0:
		return fail("EXTRA", "%d more updates were counted than the %d that were made", extra, updates)
	case lostBytes > 0:
		return fail("LOST", "every packet was counted, but %d bytes are missing: both fields need protection", lostBytes)
	case extraBytes > 0:
		return fail("EXTRA", "every packet was counted, but with %d bytes too many", extraBytes)
	case r.Met > observe.RaceRounds:
		return v, fmt.Errorf("expected two CPUs to meet in at most %d rounds, found %d", observe.RaceRounds, r.Met)
	}
	return v, judge.Unmet(r.Met, observe.RaceRounds, metRounds)
}

func judgePath(o job.Observations) (judge.Verdict, error) {
	p, err := job.Get[path](o, "path")
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
		v.Message = fmt.Sprintf("the longest path through the program is %d instructions; %d is the target, the starter's is %d", p.Instructions, pathTarget, p.Naive)
	}
	return v, nil
}

// judgeSharing asks whether a packet writes to memory that another CPU's packets write as well: its cache line
// then goes from one CPU to the other and back, which no count of instructions shows.
func judgeSharing(o job.Observations) (judge.Verdict, error) {
	p, err := job.Get[path](o, "path")
	if err != nil {
		return judge.Verdict{}, err
	}
	unit := judge.Quantity{Unit: "writes a packet to memory that CPUs share"}
	v := judge.Verdict{Status: judge.Pass, Fraction: 1, Measured: unit, Target: unit}
	v.Measured.Value = float64(p.SharedWrites.Most)
	if p.SharedWrites.Most > 0 {
		v.Status, v.Fraction, v.Cell = judge.Fail, 0, fmt.Sprint(p.SharedWrites.Most)
		v.Message = fmt.Sprintf("a packet makes up to %s to memory that all CPUs write", english.Plural(p.SharedWrites.Most, "write", ""))
		v.Details = p.SharedWrites.Lines
	}
	return v, nil
}

// judgeCalls counts the calls of helpers that one packet may make.
func judgeCalls(o job.Observations) (judge.Verdict, error) {
	p, err := job.Get[path](o, "path")
	if err != nil {
		return judge.Verdict{}, err
	}
	const unit = "helper calls a packet"
	v := judge.Verdict{
		Measured: judge.Quantity{Value: float64(p.Calls.Most), Unit: unit}, Target: judge.Quantity{Value: callTarget, Unit: unit},
	}
	if p.Problem != "" {
		v.Status, v.Cell, v.Message = judge.Fail, "?", p.Problem
		return v, nil
	}
	v.Fraction = judge.Between(v.Measured.Value, float64(p.NaiveCalls), callTarget)
	v.Status, v.Cell = judge.Graded(v.Fraction), fmt.Sprint(p.Calls.Most)
	if v.Fraction < 1 {
		v.Message = fmt.Sprintf("a packet makes up to %s; %d is the target, the starter makes %d", english.Plural(p.Calls.Most, "helper call", ""), callTarget, p.NaiveCalls)
		v.Details = p.Calls.Lines
	}
	return v, nil
}

// getWire returns what was observed over the wire, if it makes sense: else the measurement has
// failed, not the submission.
func getWire(o job.Observations, name string) (observe.Wire, error) {
	w, err := job.Get[observe.Wire](o, name)
	if err == nil && w.Sent != observe.WireFrames {
		err = fmt.Errorf("%q: expected %d frames, found %d", name, observe.WireFrames, w.Sent)
	}
	if err == nil && len(w.BecameReference) == 0 {
		err = fmt.Errorf("%q: nothing was observed of what became of the frames", name)
	}
	return w, err
}

func getCost(o job.Observations, name string) (judge.Cost, error) {
	w, err := getWire(o, name)
	if err != nil {
		return judge.Cost{}, err
	}
	c, err := judge.CostOf(w.Timings, 0)
	if err != nil {
		return c, fmt.Errorf("%q: %w", name, err)
	}
	return c, nil
}

func judgeThroughput(o job.Observations) (judge.Verdict, error) {
	c, err1 := getCost(o, "drop")
	p, err2 := job.Get[path](o, "path")
	if err := errors.Join(err1, err2); err != nil {
		return judge.Verdict{}, err
	}
	const unit = "packets/s (virtual)"
	v := judge.Verdict{
		Measured: judge.Quantity{Value: math.Round(1e9 / c.Yours), Unit: unit},
		Target:   judge.Quantity{Value: math.Round(1e9 / c.Best(slack)), Unit: unit},
		Fraction: c.FractionByRatio(slack),
	}
	v.Status, v.Cell = judge.Graded(v.Fraction), fmt.Sprintf("%.2fM", v.Measured.Value/1e6)
	v.Message = fmt.Sprintf("%s: %.1f instructions a packet over the empty program; the starter needs %.1f, the reference %.1f",
		p.MapType, c.Yours-c.Empty, c.Naive-c.Empty, c.Reference-c.Empty)
	v.Finding = "calls"
	if p.Calls.Most <= callTarget && (p.MapType == ebpf.Array.String() || p.MapType == ebpf.PerCPUArray.String()) {
		v.Finding = "own lines"
	}
	return c.Suspect(v, "instructions a packet"), nil
}

func judgeOverhead(o job.Observations) (judge.Verdict, error) {
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
		Fraction: judge.Between(yours, overhead(c.Worst(slack)), max(overheadTarget, overhead(c.Reference))),
	}
	v.Status, v.Cell = judge.Graded(v.Fraction), fmt.Sprintf("%.1f%%", 100*yours)
	if v.Fraction < 1 {
		v.Message = fmt.Sprintf("receiving a packet takes %.0f instructions without the program and %.0f with it; the starter adds %.1f%%", c.Empty, c.Yours, 100*overhead(c.Naive))
	}
	return c.Suspect(v, "instructions a packet"), nil
}
