// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"bpflab/harness"
	"bpflab/harness/judge"
	"bpflab/harness/measure"
	"bpflab/harness/netlab"
	"bpflab/harness/traffic"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_1/anchors"
)

// What the program may be told to return.
const (
	xdpDrop = 1
	xdpPass = 2
	xdpTX   = 3
)

const (
	mixFrames = 240                // in the list: 16 of each kind
	mixSent   = 30 * mixFrames     // over the wire
	hotFrames = 32 * traffic.Batch // of which the typical batch is taken
	udpPort   = 9000
)

func init() { Lab.Observe = observe }

func observe(ctx context.Context, s harness.Scene) (judge.Observations, error) {
	if s.Kind == harness.SMP {
		return observeRace(ctx, s)
	}
	o := judge.Observations{}
	s.Stage("verifier")
	yours, report, err := load(s.Spec, xdpDrop)
	if err != nil {
		return nil, err
	}
	if yours != nil {
		defer yours.Close()
	}
	if err := o.Set(verifier.Observed, report); err != nil || !report.Runs() || s.Kind == harness.Load {
		return o, err
	}

	s.Stage("network")
	pair, err := netlab.New(1)
	if err != nil {
		return nil, err
	}
	defer pair.Close()

	s.Stage("exact counts")
	m, err := observeMix(s, pair, yours)
	if err != nil {
		return nil, err
	}
	s.Stage("throughput")
	hot := hotTraffic(pair)
	drop, err := observeCost(s.Spec, pair, hot, xdpDrop, nil)
	if err != nil {
		return nil, err
	}
	s.Stage("overhead")
	sink, err := pair.Receiver.Listen(udpPort)
	if err != nil {
		return nil, err
	}
	defer sink.Close()
	pass, err := observeCost(s.Spec, pair, hot[:1], xdpPass, sink)
	if err != nil {
		return nil, err
	}
	return o, errors.Join(o.Set("mix", m), o.Set("drop", drop), o.Set("pass", pass))
}

// load loads a program that returns verdict for every frame.
func load(spec *ebpf.CollectionSpec, verdict uint32) (*ebpf.Collection, verifier.Report, error) {
	spec = spec.Copy()
	if err := spec.Variables["verdict"].Set(verdict); err != nil {
		return nil, verifier.Report{}, fmt.Errorf("set verdict: %w", err)
	}
	return verifier.Load(spec)
}

// observeMix sends the seed's frames, each kind alone and then all over the wire.
func observeMix(s harness.Scene, pair *netlab.Pair, yours *ebpf.Collection) (*mix, error) {
	m := &mix{Seed: s.Seed, Frames: mixFrames, Verdict: xdpTX}
	frames := traffic.Mix(s.Seed, m.Frames)

	alone, _, err := load(s.Spec, m.Verdict)
	if err != nil {
		return nil, err
	}
	defer alone.Close()
	if err := observeKinds(m, frames, pair, alone); err != nil {
		return nil, err
	}

	sender, err := traffic.NewSender(pair.Sender, frames)
	if err != nil {
		return nil, err
	}
	defer sender.Close()
	sent, err := measure.Send(pair, sender, yours.Programs[program], mixSent)
	if err != nil {
		return nil, err
	}
	m.Sent = sent.Frames
	m.Counts, err = readCounts(yours)
	return m, err
}

// observeKinds runs the program on each frame once, one kind after the other.
func observeKinds(m *mix, frames []traffic.Frame, pair *netlab.Pair, c *ebpf.Collection) error {
	// For an attached program a test run waits for no RCU grace period.
	link, err := pair.Receiver.Attach(c.Programs[program])
	if err != nil {
		return err
	}
	defer link.Close()
	m.Returns = make([]uint32, len(frames))
	kinds := map[string][]int{}
	for i, f := range frames {
		kinds[f.Kind] = append(kinds[f.Kind], i)
	}
	var before count
	for _, name := range sortedKeys(kinds) {
		for _, i := range kinds[name] {
			if m.Returns[i], err = c.Programs[program].Run(&ebpf.RunOptions{Data: frames[i].Data}); err != nil {
				return fmt.Errorf("run on a frame (%s): %w", name, err)
			}
		}
		counts, err := readCounts(c)
		if err != nil {
			return err
		}
		now := total(counts)
		m.Kinds = append(m.Kinds, kind{name, now.Packets - before.Packets, now.Bytes - before.Bytes})
		before = now
	}
	return nil
}

// entry is what the map holds for a protocol, whatever its type.
type entry struct {
	one struct{ Packets, Bytes uint64 }
	all []struct{ Packets, Bytes uint64 } // one a CPU
}

// value is what a map operation reads into.
func (e *entry) value(m *ebpf.Map) any {
	switch m.Type() {
	case ebpf.PerCPUArray, ebpf.PerCPUHash:
		return &e.all
	}
	e.all = nil
	return &e.one
}

func (e *entry) sum(protocol uint32) count {
	sum := count{protocol, e.one.Packets, e.one.Bytes}
	for _, v := range e.all {
		sum.Packets += v.Packets
		sum.Bytes += v.Bytes
	}
	return sum
}

// readCounts returns what was counted, by protocol.
func readCounts(c *ebpf.Collection) (counts []count, err error) {
	var (
		m   = c.Maps["counts"]
		key uint32
		e   entry
	)
	for it := m.Iterate(); ; {
		if !it.Next(&key, e.value(m)) {
			slices.SortFunc(counts, func(a, b count) int { return cmp.Compare(a.Protocol, b.Protocol) })
			return counts, it.Err()
		}
		if sum := e.sum(key); sum.Packets|sum.Bytes != 0 {
			counts = append(counts, sum)
		}
	}
}

// readCount returns what was counted of one protocol.
func readCount(c *ebpf.Collection, protocol uint32) (count, error) {
	var e entry
	m := c.Maps["counts"]
	if err := m.Lookup(protocol, e.value(m)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return count{}, fmt.Errorf("read the count of protocol %d: %w", protocol, err)
	}
	return e.sum(protocol), nil
}

// hotTraffic is what costs are measured with.
func hotTraffic(pair *netlab.Pair) []traffic.Frame {
	udp := traffic.UDP(hotLength, pair.Sender.MAC, pair.Receiver.MAC, pair.Sender.IP.To4(), pair.Receiver.IP.To4(), udpPort)
	var frames []traffic.Frame
	for _, p := range hotProtocols {
		f := slices.Clone(udp)
		f[14+9] = byte(p)
		frames = append(frames, traffic.Frame{Kind: "hot", Protocol: p, Data: f})
	}
	return frames
}

// observeCost measures the empty program, the starter, the reference and the submission,
// all in this boot. With a sink, the packets go through the whole of the stack.
func observeCost(spec *ebpf.CollectionSpec, pair *netlab.Pair, frames []traffic.Frame, verdict uint32, sink *netlab.Sink) (*cost, error) {
	naive, err1 := anchors.LoadNaive()
	reference, err2 := anchors.LoadReference()
	empty, err3 := anchors.LoadEmpty()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("read the anchors: %w", err)
	}
	sender, err := traffic.NewSender(pair.Sender, frames)
	if err != nil {
		return nil, err
	}
	defer sender.Close()

	c := cost{Sent: hotFrames} // the first run warms up caches of pages and buffers; its result is overwritten
	for _, p := range []struct {
		spec *ebpf.CollectionSpec
		cost *float64
	}{{empty, &c.Empty}, {empty, &c.Empty}, {naive, &c.Naive}, {reference, &c.Reference}, {spec, &c.Yours}} {
		coll, report, err := load(p.spec, verdict)
		if err != nil {
			return nil, err
		}
		if !report.Accepted {
			return nil, fmt.Errorf("load a program to compare with: %s", report.Message)
		}
		*p.cost, err = measure.PerFrame(pair, sender, coll.Programs[program], hotFrames)
		if err == nil && p.cost == &c.Yours {
			c.Counts, err = readCounts(coll)
		}
		coll.Close()
		if err != nil {
			return nil, err
		}
		if sink == nil {
			continue
		}
		if n, err := sink.Drain(); err != nil || n != hotFrames {
			return nil, errors.Join(err, fmt.Errorf("%d packets were sent and %d delivered", hotFrames, n))
		}
	}
	return &c, nil
}

const (
	raceRounds  = 16
	raceUpdates = 12_500 // on each of two CPUs, in a round
)

// observeRace has two CPUs count at once. In turn with the submission runs a control, a
// program that is known to lose updates: as long as it has not lost some in many rounds, a
// submission that lost none has proved nothing. Rounds count, not updates: a CPU that stops
// between a load and its store undoes at one stroke what the other has done meanwhile.
func observeRace(ctx context.Context, s harness.Scene) (judge.Observations, error) {
	o := judge.Observations{}
	s.Stage("two CPUs")
	yours, report, err := load(s.Spec, xdpDrop)
	if yours != nil {
		defer yours.Close()
	}
	if err != nil || !report.Runs() {
		return o, err // the exact guest reports why
	}
	controlSpec, err := anchors.LoadRacy()
	if err != nil {
		return nil, err
	}
	control, _, err := load(controlSpec, xdpDrop)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	pair, err := netlab.New(1)
	if err != nil {
		return nil, err
	}
	defer pair.Close()
	// One at each end, so that both are attached all the time: see measure.Race.
	for _, at := range []struct {
		end  *netlab.End
		coll *ebpf.Collection
	}{{pair.Receiver, yours}, {pair.Sender, control}} {
		link, err := at.end.Attach(at.coll.Programs[program])
		if err != nil {
			return nil, err
		}
		defer link.Close()
	}
	frame := hotTraffic(pair)[0].Data

	var r race
	for r.Rounds = 0; r.Rounds < raceRounds && ctx.Err() == nil; r.Rounds++ {
		s.Stage(fmt.Sprintf("two CPUs, round %d of %d", r.Rounds+1, raceRounds))
		lost, err := raceRound(control, frame)
		if err != nil {
			return nil, err
		}
		if lost.Packets != 0 {
			r.Met++
		}
		if lost, err = raceRound(yours, frame); err != nil {
			return nil, err
		}
		r.Updates += 2 * raceUpdates
		r.Lost += int64(lost.Packets)
		r.LostBytes += int64(lost.Bytes)
	}
	return o, o.Set("race", r)
}

// raceRound makes raceUpdates on each of two CPUs and returns what was lost of them.
func raceRound(c *ebpf.Collection, frame []byte) (lost count, err error) {
	prog := c.Programs[program]
	// The first packet of a protocol makes its entry: not what this is about.
	if _, err := prog.Run(&ebpf.RunOptions{Data: frame}); err != nil {
		return lost, fmt.Errorf("run once: %w", err)
	}
	before, err := readCount(c, uint32(hotProtocols[0]))
	if err != nil {
		return lost, err
	}
	if err := measure.Race(prog, frame, raceUpdates); err != nil {
		return lost, fmt.Errorf("run on two CPUs: %w", err)
	}
	after, err := readCount(c, uint32(hotProtocols[0]))
	if err != nil {
		return lost, err
	}
	lost.Packets = 2*raceUpdates - (after.Packets - before.Packets)
	lost.Bytes = 2*raceUpdates*uint64(len(frame)) - (after.Bytes - before.Bytes)
	return lost, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
