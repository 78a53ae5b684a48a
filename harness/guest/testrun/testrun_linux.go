// SPDX-License-Identifier: Apache-2.0

// Package testrun finds what a run of a program costs. On frames, by the kernel's own test run (BPF_PROG_TEST_RUN), and
// on a context and at events, by its statistics (BPF_ENABLE_STATS): both say how long the program itself took. In an exact
// guest a nanosecond is an instruction.
package testrun

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/attach"
	"bpflab/harness/guest/awake"
	"bpflab/harness/guest/instrument"
	"bpflab/harness/guest/measure"
	"bpflab/harness/job"
)

// Input is what programs are run on.
type Input struct {
	Frames  [][]byte
	Context []byte // nil: one of zeros, for programs that take nothing else
}

var types = []ebpf.ProgramType{ebpf.XDP, ebpf.SchedCLS, ebpf.SchedACT, ebpf.SocketFilter, ebpf.CGroupSKB, ebpf.LWTIn, ebpf.LWTOut, ebpf.LWTXmit, ebpf.FlowDissector}

// zeros is how many bytes of zeros a program of type syscall is given, unless there is a context for it.
const zeros = 256

// For returns what programs of a type are run on, of what is there; false: they are not run, but wait for events.
func (in Input) For(kind ebpf.ProgramType) (Input, bool) {
	switch {
	case slices.Contains(types, kind):
		return in, true
	case kind == ebpf.Syscall && in.Context == nil:
		return Input{Context: make([]byte, zeros)}, true
	case kind == ebpf.SkLookup && in.Context == nil:
		return Input{Context: lookup()}, true
	case kind == ebpf.Syscall || kind == ebpf.SkLookup || kind == ebpf.RawTracepoint && in.Context != nil:
		return Input{Context: in.Context}, true
	}
	return Input{}, false
}

// lookup is a struct bpf_sk_lookup: a TCP connection to port 80, over IPv4.
func lookup() []byte {
	raw := make([]byte, 8+4*2+4+16+4+4+16+4+4) // cookie, family, protocol, remote, local, interface
	binary.NativeEndian.PutUint32(raw[8:], unix.AF_INET)
	binary.NativeEndian.PutUint32(raw[12:], unix.IPPROTO_TCP)
	copy(raw[16:], []byte{192, 0, 2, 1})
	binary.BigEndian.PutUint16(raw[36:], 40000)
	copy(raw[40:], []byte{192, 0, 2, 2})
	binary.NativeEndian.PutUint32(raw[60:], 80)
	return raw
}

// runs are how many there are in a round: one for each frame, or one.
func (in Input) runs() int { return max(len(in.Frames), 1) }

// once runs a program, and says what it returned and how long it took, ns.
func (in Input) once(prog *ebpf.Program, n int) (result uint32, ns int64, err error) {
	var frame []byte
	if n < len(in.Frames) {
		frame = in.Frames[n]
	}
	if in.Context == nil {
		result, took, err := prog.Benchmark(frame, 1, nil)
		return result, took.Nanoseconds(), err
	}
	before, err := prog.Stats()
	if err != nil {
		return 0, 0, err
	}
	if result, err = prog.Run(&ebpf.RunOptions{Data: frame, Context: in.Context}); err != nil {
		return 0, 0, err
	}
	after, err := prog.Stats()
	if err != nil {
		return 0, 0, err
	}
	return result, (after.Runtime - before.Runtime).Nanoseconds(), nil
}

// rounds is how often each frame is run. What a run finds for the first time, an entry that is not in a map yet, it
// finds in the first round, which is not counted.
const rounds = 5

// On runs a program on each frame, or on a context, over and over, in turns with a program of its type that does nothing.
// spec is the program's. A frame that the kernel does not take (some are too short) is refused.
//
// Requires Linux 5.10 and CAP_BPF, CAP_NET_ADMIN.
func On(in Input, prog *ebpf.Program, spec *ebpf.ProgramSpec) ([]job.FrameRun, error) {
	if in.Context != nil {
		stats, err := ebpf.EnableStats(bpfStatsRunTime)
		if err != nil {
			return nil, fmt.Errorf("have the kernel take the time of programs: %w", err)
		}
		defer stats.Close()
	}
	nothing, err := empty(spec)
	if err != nil {
		return nil, err
	}
	defer nothing.Close()
	measure.Settle()
	defer awake.Alone()()
	runs := make([]job.FrameRun, in.runs())
	yours, theirs := make([][]int64, len(runs)), make([][]int64, len(runs))
	refused := 0
	for round := range rounds + 1 {
		for i := range runs {
			if runs[i].Refused {
				continue
			}
			result, took, err := in.once(prog, i)
			if errors.Is(err, unix.EINVAL) {
				runs[i].Refused = true
				refused++
				continue
			}
			var idle int64
			if err == nil {
				_, idle, err = in.once(nothing, i)
			}
			if err != nil {
				return nil, fmt.Errorf("run %s on frame %d: %w", spec.Name, i, err)
			}
			runs[i].Result = result
			if round > 0 {
				yours[i], theirs[i] = append(yours[i], took), append(theirs[i], idle)
			}
		}
	}
	if refused == len(runs) && in.Context != nil {
		return nil, fmt.Errorf("the kernel refuses a context of %d bytes for this program: is it larger, or of another form?", len(in.Context))
	}
	for i := range runs {
		if !runs[i].Refused {
			runs[i].Round = middle(yours[i])
			least := theirs[i][middle(theirs[i])]
			runs[i].Cost, runs[i].Worst = yours[i][runs[i].Round]-least, slices.Max(yours[i])-least
		}
	}
	return runs, nil
}

// middle is where in a list its median is, the first of equal ones: a timer tick makes a run longer, and nothing makes
// one shorter.
func middle[T cmp.Ordered](list []T) int {
	return slices.Index(list, slices.Sorted(slices.Values(list))[len(list)/2])
}

// Counted is what a copy of a program has counted.
type Counted struct {
	instrument.Words
	// Executed is how many of its instructions the program executes on each frame; 0: the frame was refused.
	Executed []uint64
	// Differs is on how many frames the copy returned something else than the program.
	Differs int
}

// maxKept is how many bytes of counts are kept while a copy is run: those of each run, since the median is known at the
// end.
const maxKept = 128 << 20

// Count runs a copy of a program on what On has run the program on. Of each frame one run counts, on the way through the
// program of which On tells the cost; of several the one in which calls took the least time.
func Count(in Input, c *instrument.Copy, prog *ebpf.Program, counts *ebpf.Map, runs []job.FrameRun) (sum Counted, err error) {
	before, err := instrument.Read(counts)
	if err != nil {
		return sum, err
	}
	if n := len(runs) * rounds * 8 * len(before); n > maxKept {
		return sum, fmt.Errorf("a profile of %d frames takes %d MiB to make, more than %d: give fewer frames", len(runs), n>>20, maxKept>>20)
	}
	sum.Words, sum.Executed = make(instrument.Words, len(before)), make([]uint64, len(runs))
	measure.Settle()
	defer awake.Alone()()
	all := make([][]instrument.Words, len(runs))
	for round := range rounds + 1 {
		for i := range runs {
			if runs[i].Refused {
				continue
			}
			result, _, err := in.once(prog, i)
			if err != nil {
				return sum, fmt.Errorf("run the copy on frame %d: %w", i, err)
			}
			now, err := instrument.Read(counts)
			if err != nil {
				return sum, err
			}
			if round > 0 {
				all[i] = append(all[i], now.Less(before))
			}
			if round == rounds && result != runs[i].Result {
				sum.Differs++
			}
			before = now
		}
	}
	for i, of := range all {
		if runs[i].Refused {
			continue
		}
		best := of[runs[i].Round]
		for _, w := range of {
			if w.Sum() < best.Sum() && slices.Equal(c.BlocksOf(w), c.BlocksOf(best)) {
				best = w
			}
		}
		sum.Add(best)
		for _, n := range c.Instructions(best) {
			sum.Executed[i] += n
		}
	}
	return sum, nil
}

// Nothing is a program of the same kind as another, for the same place, that only returns; one that may forbid something
// allows it.
func Nothing(spec *ebpf.ProgramSpec) *ebpf.ProgramSpec {
	result := int32(0)
	if attach.InGroups(spec.Type) || spec.Type == ebpf.SkLookup {
		result = 1
	}
	return &ebpf.ProgramSpec{
		Name: "empty", Type: spec.Type, AttachType: spec.AttachType, AttachTo: spec.AttachTo, AttachTarget: spec.AttachTarget,
		Flags: spec.Flags, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, result), asm.Return()},
	}
}

func empty(spec *ebpf.ProgramSpec) (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(Nothing(spec))
	if err != nil {
		return nil, fmt.Errorf("load an empty program: %w", err)
	}
	return p, nil
}
