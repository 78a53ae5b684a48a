// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"

	"bpflab/harness"
	"bpflab/harness/job"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

// Run runs a program as root in a guest of a kernel: of one CPU, or of as many as are needed. The program is a
// static one for linux/amd64.
func (h *Host) Run(ctx context.Context, k kernels.Kernel, needs harness.Needs, program []byte, how job.Run) (job.Ran, error) {
	if err := runs(program); err != nil {
		return job.Ran{}, err
	}
	j := job.Job{Guest: job.Exact, Program: program, Run: &how}
	if needs.CPUs > 1 {
		j.Guest = job.SMP
	}
	g, err := h.guest(ctx, k, qemu.TCG, j.Guest, needs)
	if err != nil {
		return job.Ran{}, err
	}
	o, err := g.do(ctx, j, nil)
	if err != nil {
		return job.Ran{}, fmt.Errorf("kernel %s: %w", k.Name, err)
	}
	return job.GetRan(o)
}

// runs says why a program does not run in a guest, which has no libraries.
func runs(program []byte) error {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return &UsageError{fmt.Errorf("expected an ELF program: %w", err)}
	}
	if f.Machine != elf.EM_X86_64 || f.Class != elf.ELFCLASS64 {
		return &UsageError{fmt.Errorf("expected a program for linux/amd64, found one for %v", f.Machine)}
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return &UsageError{fmt.Errorf("expected a static program, found one that needs shared libraries: build it with CGO_ENABLED=0, or link it with -static")}
		}
	}
	return nil
}
