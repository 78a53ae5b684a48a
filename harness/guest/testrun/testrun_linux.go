// SPDX-License-Identifier: Apache-2.0

// Package testrun finds what a run of a program costs. On frames, by the kernel's own test run (BPF_PROG_TEST_RUN), and
// at events, by its statistics (BPF_ENABLE_STATS): both say how long the program itself took. In an exact guest a
// nanosecond is an instruction.
package testrun

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/attach"
	"bpflab/harness/guest/awake"
	"bpflab/harness/guest/instrument"
	"bpflab/harness/guest/measure"
	"bpflab/harness/job"
)

// OnFrames reports whether kernels run programs of a type on frames, and time them.
func OnFrames(kind ebpf.ProgramType) bool { return slices.Contains(types, kind) }

var types = []ebpf.ProgramType{ebpf.XDP, ebpf.SchedCLS, ebpf.SchedACT, ebpf.SocketFilter, ebpf.CGroupSKB, ebpf.LWTIn, ebpf.LWTOut, ebpf.LWTXmit, ebpf.FlowDissector}

// rounds is how often each frame is run. What a run finds for the first time, an entry that is not in a map yet, it
// finds in the first round, which is not counted.
const rounds = 5

// Frames runs a program on each frame, over and over, in turns with a program of its type that does nothing. spec is the
// program's. A frame that the kernel does not take (some are too short) is refused.
//
// Requires Linux 5.10 and CAP_BPF, CAP_NET_ADMIN.
func Frames(prog *ebpf.Program, spec *ebpf.ProgramSpec, frames [][]byte) ([]job.FrameRun, error) {
	nothing, err := empty(spec)
	if err != nil {
		return nil, err
	}
	defer nothing.Close()
	measure.Settle()
	defer awake.Alone()()
	runs := make([]job.FrameRun, len(frames))
	yours, theirs := make([][]int64, len(frames)), make([][]int64, len(frames))
	for round := range rounds + 1 {
		for i, frame := range frames {
			if runs[i].Refused {
				continue
			}
			result, took, err := prog.Benchmark(frame, 1, nil)
			if errors.Is(err, unix.EINVAL) {
				runs[i].Refused = true
				continue
			}
			var idle int64
			if err == nil {
				_, none, idleErr := nothing.Benchmark(frame, 1, nil)
				idle, err = none.Nanoseconds(), idleErr
			}
			if err != nil {
				return nil, fmt.Errorf("run %s on frame %d: %w", spec.Name, i, err)
			}
			runs[i].Result = result
			if round > 0 {
				yours[i], theirs[i] = append(yours[i], took.Nanoseconds()), append(theirs[i], idle)
			}
		}
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

// CountFrames runs a copy of a program on frames as Frames has run the program. Of each frame one run counts, on the way
// through the program of which Frames tells the cost; of several the one that took the least time.
func CountFrames(c *instrument.Copy, prog *ebpf.Program, counts *ebpf.Map, frames [][]byte, runs []job.FrameRun) (sum Counted, err error) {
	before, err := instrument.Read(counts)
	if err != nil {
		return sum, err
	}
	sum.Words, sum.Executed = make(instrument.Words, len(before)), make([]uint64, len(frames))
	measure.Settle()
	defer awake.Alone()()
	type run struct {
		instrument.Words
		took time.Duration
	}
	all := make([][]run, len(frames))
	for round := range rounds + 1 {
		for i, frame := range frames {
			if runs[i].Refused {
				continue
			}
			result, took, err := prog.Benchmark(frame, 1, nil)
			if err != nil {
				return sum, fmt.Errorf("run the copy on frame %d: %w", i, err)
			}
			now, err := instrument.Read(counts)
			if err != nil {
				return sum, err
			}
			if round > 0 {
				all[i] = append(all[i], run{now.Less(before), took})
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
		for _, r := range of {
			if r.took < best.took && slices.Equal(c.BlocksOf(r.Words), c.BlocksOf(best.Words)) {
				best = r
			}
		}
		sum.Add(best.Words)
		for _, n := range c.Instructions(best.Words) {
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
