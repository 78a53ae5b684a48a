// SPDX-License-Identifier: Apache-2.0

// Package testrun finds what a run of a program costs. On frames, by the kernel's own test run (BPF_PROG_TEST_RUN), and
// at events, by its statistics (BPF_ENABLE_STATS): both say how long the program itself took. In an exact guest a
// nanosecond is an instruction.
package testrun

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/awake"
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
			least := middle(theirs[i])
			runs[i].Cost, runs[i].Worst = middle(yours[i])-least, slices.Max(yours[i])-least
		}
	}
	return runs, nil
}

// middle is the median: a timer tick makes a run longer, and nothing makes one shorter.
func middle(list []int64) int64 { return slices.Sorted(slices.Values(list))[len(list)/2] }

// empty loads a program of the same kind, for the same place, that only returns.
func empty(spec *ebpf.ProgramSpec) (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "empty", Type: spec.Type, AttachType: spec.AttachType, AttachTo: spec.AttachTo, AttachTarget: spec.AttachTarget,
		Flags: spec.Flags, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return nil, fmt.Errorf("load an empty program: %w", err)
	}
	return p, nil
}
