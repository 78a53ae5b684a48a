// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/measure"
	"bpflab/harness/guest/netlab"
	"bpflab/harness/guest/percpu"
	"bpflab/harness/guest/send"
	"bpflab/harness/job"
	"bpflab/harness/traffic"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_1/anchors"
)

// Observe observes a submission: in an exact guest what it counts and costs, in one of two CPUs their race; or step by
// step what it makes of a few frames.
func Observe(ctx context.Context, s agent.Subject) (job.Observations, error) {
	if s.Guest == job.SMP {
		return observeRace(ctx, s)
	}
	o := job.Observations{}
	s.Stage("verifier")
	report, err := verify(s.Spec, Verdicts(s.Seed))
	if err != nil {
		return nil, err
	}
	if err := o.Set(verifier.Observed, report); err != nil || !report.Runs() || s.Guest == job.LoadOnly {
		return o, err
	}

	s.Stage("network")
	pair, err := netlab.New(1)
	if err != nil {
		return nil, err
	}
	defer pair.Close()

	if s.Guest == job.Steps {
		s.Stage("frames")
		return o, observeSteps(&s, pair, o)
	}
	s.Stage("each frame alone")
	if report.Try, err = try(s.Spec, pair); err != nil {
		return nil, err
	}
	if err := o.Set(verifier.Observed, report); err != nil || !report.Runs() {
		return o, err
	}
	frames := traffic.Mix(s.Seed, traffic.Listed)
	a, err := observeAlone(&s, pair, frames)
	if err != nil {
		return nil, err
	}
	if err := o.Set("alone", a); err != nil || !a.Obeyed() {
		return o, err // what a driver does with another verdict is nobody's concern
	}
	s.Stage("throughput")
	drop, err := observeWire(&s, pair, frames, XDPDrop)
	if err != nil {
		return nil, err
	}
	s.Stage("overhead")
	pass, err := observeWire(&s, pair, frames, XDPPass)
	if err != nil {
		return nil, err
	}
	return o, errors.Join(o.Set("drop", drop), o.Set("pass", pass))
}

// try returns how long a run takes at a first try, ns.
func try(spec *ebpf.CollectionSpec, pair *netlab.Pair) (ns float64, err error) {
	c, err := loadAgain(spec, XDPDrop)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	link, err := pair.Receiver.Attach(c.Programs[Program]) // else a test run waits for RCU
	if err != nil {
		return 0, err
	}
	defer link.Close()
	ns = math.Inf(1)
	for range 3 { // the least of them: another CPU's turn may come in between, which is longer than all runs
		_, took, err := c.Programs[Program].Benchmark(raceFrame(Round{Protocol: 17, Length: [2]int{64, 64}}, 0), 8, nil)
		if err != nil {
			return 0, fmt.Errorf("run it some times: %w", err)
		}
		ns = min(ns, float64(took.Nanoseconds()))
	}
	return ns, nil
}

// verify loads the program with each verdict and returns the worst report: a rejection, or the most
// instructions processed. The verifier skips branches that the constant cannot reach.
func verify(spec *ebpf.CollectionSpec, verdicts []uint32) (worst verifier.Report, err error) {
	for i, verdict := range verdicts {
		c, report, err := load(spec, verdict)
		if err != nil {
			return worst, err
		}
		if c != nil {
			c.Close()
		}
		if i == 0 || !report.Accepted || report.Stats.Processed > worst.Stats.Processed {
			worst = report
		}
		if !report.Accepted {
			break
		}
	}
	return worst, nil
}

// load loads a program that returns verdict for every frame.
func load(spec *ebpf.CollectionSpec, verdict uint32) (*ebpf.Collection, verifier.Report, error) {
	spec = spec.Copy()
	if err := spec.Variables["verdict"].Set(verdict); err != nil {
		return nil, verifier.Report{}, fmt.Errorf("set verdict: %w", err)
	}
	return verifier.Load(spec)
}

// loadAgain loads a program that the verifier has accepted with another verdict.
func loadAgain(spec *ebpf.CollectionSpec, verdict uint32) (*ebpf.Collection, error) {
	c, report, err := load(spec, verdict)
	if err == nil && !report.Runs() {
		err = &verifier.Rejection{Spec: spec, Report: report}
	}
	return c, err
}

// observeAlone runs the program on each frame once, one kind after the other, with each verdict.
func observeAlone(s *agent.Subject, pair *netlab.Pair, frames []traffic.Frame) (*Alone, error) {
	a := &Alone{}
	byKind := map[string][]int{}
	for i, f := range frames {
		byKind[f.Kind] = append(byKind[f.Kind], i)
	}
	for n, verdict := range Verdicts(s.Seed) {
		c, err := loadAgain(s.Spec, verdict)
		if err != nil {
			return nil, err
		}
		r := Returned{Verdict: verdict, Returns: make([]uint32, len(frames))}
		err = observeKinds(a, r.Returns, byKind, frames, pair, c, n == 0)
		err = errors.Join(err, s.Saw("each frame alone", false, c))
		c.Close()
		if err != nil {
			return nil, err
		}
		a.Returns = append(a.Returns, r)
	}
	return a, nil
}

// observeKinds runs the program on each frame once, and looks what was counted after each kind.
func observeKinds(a *Alone, returns []uint32, byKind map[string][]int, frames []traffic.Frame, pair *netlab.Pair, c *ebpf.Collection, counting bool) error {
	// For an attached program a test run waits for no RCU grace period.
	link, err := pair.Receiver.Attach(c.Programs[Program])
	if err != nil {
		return err
	}
	defer link.Close()
	in, err := arrival(pair.Receiver)
	if err != nil {
		return err
	}
	var before Count
	return pair.Receiver.Do(func() error {
		for _, name := range slices.Sorted(maps.Keys(byKind)) {
			for _, i := range byKind[name] {
				if returns[i], err = c.Programs[Program].Run(in(frames[i].Data)); err != nil {
					return fmt.Errorf("run on a frame (%s): %w", name, err)
				}
			}
			if !counting {
				continue
			}
			counts, err := readCounts(c)
			if err != nil {
				return err
			}
			now := Total(counts)
			a.Kinds = append(a.Kinds, KindCount{name, now.Packets - before.Packets, now.Bytes - before.Bytes})
			before = now
		}
		return nil
	})
}

// arrival returns what makes a test run look as if the frame had arrived at an interface, for calls
// in its namespace. Requires Linux 5.14; before, all test runs are the loopback's.
func arrival(end *netlab.End) (func(frame []byte) *ebpf.RunOptions, error) {
	version, err := features.LinuxVersionCode()
	if err != nil {
		return nil, fmt.Errorf("find the kernel's version: %w", err)
	}
	return func(frame []byte) *ebpf.RunOptions {
		o := &ebpf.RunOptions{Data: frame}
		if version >= 5<<16|14<<8 {
			o.Context = xdpContext{End: uint32(len(frame)), Interface: uint32(end.Index)}
		}
		return o
	}, nil
}

// xdpContext is the kernel's struct xdp_md.
type xdpContext struct{ Data, End, Meta, Interface, Queue, Egress uint32 }

// readCounts returns what was counted, by protocol. It asks for each protocol: a map may be much
// larger, and walking through all of it would take a guest minutes.
func readCounts(c *ebpf.Collection) (counts []Count, err error) {
	for protocol := range uint32(256) {
		one, err := readCount(c, protocol)
		if err != nil {
			return nil, err
		}
		if one.Packets|one.Bytes != 0 {
			counts = append(counts, one)
		}
	}
	return counts, nil
}

// readCount returns what was counted of one protocol, by all CPUs.
func readCount(c *ebpf.Collection, protocol uint32) (Count, error) {
	sum := Count{Protocol: protocol}
	values, err := percpu.Values[struct{ Packets, Bytes uint64 }](c.Maps["counts"], protocol)
	if err != nil {
		return sum, fmt.Errorf("read the count of protocol %d: %w", protocol, err)
	}
	for _, v := range values {
		sum.Packets += v.Packets
		sum.Bytes += v.Bytes
	}
	return sum, nil
}

// observeWire sends the frames through the empty program, the starter, the reference and the
// submission, all in this boot, and takes how long that takes. Those that the program passes go through
// the whole of the stack.
func observeWire(s *agent.Subject, pair *netlab.Pair, frames []traffic.Frame, verdict uint32) (*Wire, error) {
	sender, err := send.New(pair.Sender, frames)
	if err != nil {
		return nil, err
	}
	defer sender.Close()
	sink, err := pair.Receiver.Listen(traffic.Port(s.Seed))
	if err != nil {
		return nil, err
	}
	defer sink.Close()
	exceptions, err := netlab.CountExceptions()
	if err != nil {
		return nil, err
	}
	defer exceptions.Close()
	look := func() (delivered uint64, counters netlab.Counters, err error) {
		delivered, err1 := sink.Received()
		counters, err2 := pair.Receiver.Counters()
		n, err3 := exceptions.Count()
		if err = errors.Join(err1, err2, err3); err == nil {
			counters["xdp_exception"] = n
		}
		return delivered, counters, err
	}

	of, err := measure.Compare(anchored, s.Spec, func(role measure.Role, spec *ebpf.CollectionSpec) (a measure.Attempt[Wire], err error) {
		a.Seen, err = sendOnce(s, pair, sender, look, spec, verdict, role == measure.Yours)
		if got := a.Seen.Delivered; err == nil && role != measure.Yours && got != Deliveries(frames, WireFrames, verdict) {
			err = fmt.Errorf("%d frames were sent with the verdict %d, and %d delivered", WireFrames, verdict, got)
		}
		a.Cost, a.Calm = a.Seen.Yours.Mean, measure.Calm(a.Seen.Yours)
		return a, err
	})
	if err != nil {
		return nil, err
	}
	w := of[measure.Yours]
	w.Sent, w.BecameReference = WireFrames, of[measure.Reference].Became
	w.Empty, w.Naive, w.Reference = of[measure.Empty].Yours, of[measure.Naive].Yours, of[measure.Reference].Yours
	return &w, nil
}

// anchored are what submissions are compared with.
var anchored = measure.Anchors{Empty: anchors.LoadEmpty, Naive: anchors.LoadNaive, Reference: anchors.LoadReference}

// sendOnce sends the frames through a program that is loaded for that, and says what it took and what
// became of them, as if the program were the submission's. It is, if yours is set.
func sendOnce(s *agent.Subject, pair *netlab.Pair, sender send.Sender, look func() (uint64, netlab.Counters, error), spec *ebpf.CollectionSpec, verdict uint32, yours bool) (w Wire, err error) {
	coll, err := loadAgain(spec, verdict)
	if err != nil {
		return w, err
	}
	defer coll.Close()
	before, counters, err := look()
	if err != nil {
		return w, err
	}
	if w.Yours, err = measure.PerFrame(pair, sender, coll.Programs[Program], WireFrames); err != nil {
		return w, err
	}
	if yours {
		w.Counts, err = readCounts(coll)
		err = errors.Join(err, s.Saw(fmt.Sprintf("over the wire, verdict %d", verdict), true, coll))
		if err != nil {
			return w, err
		}
	}
	after, now, err := look()
	w.Delivered, w.Became = int(after-before), now.Since(counters)
	return w, err
}

// observeRace has two CPUs count at once. In turn with the submission runs a control, a
// program that is known to lose updates: as long as it has not lost some in many rounds, a
// submission that lost none has proved nothing. Rounds count, not updates: a CPU that stops
// between a load and its store undoes at one stroke what the other has done meanwhile.
func observeRace(ctx context.Context, s agent.Subject) (job.Observations, error) {
	o := job.Observations{}
	s.Stage("two CPUs")
	yours, report, err := load(s.Spec, Verdicts(s.Seed)[1])
	if yours != nil {
		defer yours.Close()
	}
	if err == nil {
		err = o.Set(verifier.ObservedSMP, report)
	}
	if err != nil || !report.Runs() {
		return o, err
	}
	controlSpec, err := anchors.LoadRacy()
	if err != nil {
		return nil, err
	}
	control, err := loadAgain(controlSpec, XDPDrop)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	pair, err := netlab.New(1)
	if err != nil {
		return nil, err
	}
	defer pair.Close()
	if report.Try, err = try(s.Spec, pair); err != nil {
		return nil, err
	}
	if err := o.Set(verifier.ObservedSMP, report); err != nil || !report.Runs() {
		return o, err
	}
	// One at each end, so that both are attached all the time: see measure.Race.
	for _, at := range []struct {
		end  *netlab.End
		coll *ebpf.Collection
	}{{pair.Receiver, yours}, {pair.Sender, control}} {
		link, err := at.end.Attach(at.coll.Programs[Program])
		if err != nil {
			return nil, err
		}
		defer link.Close()
	}

	var r Race
	var took time.Duration
	var runs uint32
	for i, round := range DrawRace(s.Seed) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.Stage(fmt.Sprintf("two CPUs, round %d of %d", i+1, RaceRounds))
		counted, err := playRound(control, round, controlEntry)
		if err != nil {
			return nil, err
		}
		if counted.Packets != uint64(round.Updates[0]+round.Updates[1]) {
			r.Met++
		}
		began := time.Now()
		if counted, err = playRound(yours, round, round.Protocol); err != nil {
			return nil, err
		}
		r.Counted = append(r.Counted, counted)
		took, runs = took+time.Since(began), runs+round.Updates[0]+round.Updates[1]
		if mean := float64(took.Nanoseconds()) / float64(runs); mean > MaxRaced {
			r = Race{Slow: mean}
			break
		}
	}
	return o, errors.Join(o.Set("race", r), s.Saw("two CPUs", false, yours))
}

// controlEntry is where the control counts every frame.
const controlEntry = 0

// playRound has two CPUs count and returns what was counted in an entry.
func playRound(c *ebpf.Collection, r Round, entry uint32) (counted Count, err error) {
	prog := c.Programs[Program]
	var on [2]measure.Runs
	for cpu := range on {
		on[cpu] = measure.Runs{Frame: raceFrame(r, cpu), Repeat: r.Updates[cpu]}
	}
	// The first packet of a protocol makes its entry: not what this is about.
	if _, err := prog.Run(&ebpf.RunOptions{Data: on[0].Frame}); err != nil {
		return counted, fmt.Errorf("run once: %w", err)
	}
	before, err := readCount(c, entry)
	if err != nil {
		return counted, err
	}
	if err := measure.Race(prog, on); err != nil {
		return counted, fmt.Errorf("run on two CPUs: %w", err)
	}
	after, err := readCount(c, entry)
	return Count{entry, after.Packets - before.Packets, after.Bytes - before.Bytes}, err
}

// raceFrame is what one of two CPUs counts in a round.
func raceFrame(r Round, cpu int) []byte { return traffic.IPv4(int(r.Protocol), r.Length[cpu]) }
