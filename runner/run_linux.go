// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"

	"bpflab/harness"
	"bpflab/harness/job"
	"bpflab/vm"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

// Run runs a program as root in a guest of a kernel: of one CPU, or of as many as are needed. The program is
// one that is Runnable. A guest that fails for what a program cannot cause gets a second try.
func (h *Host) Run(ctx context.Context, k kernels.Kernel, needs harness.Needs, program []byte, how job.Run) (job.Ran, error) {
	j := job.Job{Guest: job.Exact, Program: program, Run: &how}
	if needs.CPUs > 1 {
		j.Guest = job.SMP
	}
	g, err := h.guest(ctx, k, qemu.TCG, j.Guest, needs)
	if err != nil {
		return job.Ran{}, err
	}
	for try := 1; ; try++ {
		o, err := g.do(ctx, j, nil)
		if err == nil {
			return job.GetRan(o)
		}
		var failure *vm.Failure
		if !errors.As(err, &failure) {
			return job.Ran{}, err
		}
		if try > 1 || caused(failure) {
			h.Progress.Notice("kernel %s: %s", k.Name, failure.Report(h.Verbose))
			return job.Ran{}, fmt.Errorf("kernel %s: %w", k.Name, failure)
		}
		if err := g.again(failure); err != nil {
			return job.Ran{}, err
		}
	}
}

// Runnable says why a program cannot run in a guest, which has no libraries; nil: it can.
func Runnable(program []byte) error {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("expected an ELF program: %w", err)
	}
	if f.Machine != elf.EM_X86_64 || f.Class != elf.ELFCLASS64 {
		return fmt.Errorf("expected a program for linux/amd64, found one for %v", f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("expected a static program, found one that needs shared libraries: build it with CGO_ENABLED=0, or link it with -static")
		}
	}
	return nil
}
