// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"bpflab/harness"
	"bpflab/harness/job"
	"bpflab/vm"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

// How much of QEMU's CPU time a guest may take: a submission that needs more is not run to its end,
// and neither is one that keeps its guest from making a sound. The starters take some 2 s.
const (
	guestCPU     = 20 * time.Second
	guestSilence = 10 * time.Second
)

// guest is a guest that does one job after another, each time from the same state.
type guest struct {
	*Host
	kernel kernels.Kernel
	kind   job.Guest
	config vm.Config
	stage  string // that its last job came to
}

// guest describes a guest of a kind.
func (h *Host) guest(ctx context.Context, k kernels.Kernel, accel qemu.Accel, kind job.Guest, needs harness.Needs) (*guest, error) {
	initrd, err := h.initrd(ctx, k, needs.Modules)
	if err != nil {
		return nil, err
	}
	g := &guest{Host: h, kernel: k, kind: kind, config: vm.Config{Config: qemu.Config{
		Kernel: k.Vmlinuz, Initrd: initrd, Cmdline: needs.Parameters, MemoryMiB: needs.MemoryMiB,
	}}}
	if kind == job.SMP {
		g.config.CPUs, g.config.Exact, g.config.Accel = cmp.Or(needs.CPUs, 2), accel == qemu.TCG, accel
	} else {
		g.config.Exact, g.config.Accel = true, qemu.TCG
	}
	return g, nil
}

// do has the guest do a job and returns what was observed. later is what it may know only when it asks.
func (g *guest) do(ctx context.Context, j job.Job, later []byte) (o job.Observations, err error) {
	payload, err := j.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode the job: %w", err)
	}
	if j.Lab != "" {
		g.config.CPU, g.config.JobSilence = guestCPU, guestSilence
	}
	who, began := g.kernel.Name+" "+string(g.kind), time.Now()
	defer g.Progress.Set(who, "")
	tell := func(what string) {
		g.Progress.Set(who, what)
		if g.Verbose {
			g.Progress.Notice("%-10s %6.2f s  %s", who, time.Since(began).Seconds(), what)
		}
	}
	g.stage, g.config.Later = "start", later
	g.config.Stage = func(name string) { g.stage = name; tell(name) }
	tell("start")
	if g.Verbose {
		g.Progress.Notice("%s", g.config.Config.String())
	}
	if err := g.restore(ctx, tell); err != nil {
		return nil, err
	}
	result, err := vm.Run(ctx, g.config, payload)
	if err != nil {
		return nil, err
	}
	tell("done")
	if err := json.Unmarshal(result.Body, &o); err != nil {
		return nil, fmt.Errorf("decode what the guest observed: %w", err)
	}
	return o, nil
}

// restore has the guest go on from a snapshot. Where none can be made, a cold boot serves, and it gives
// notice.
func (g *guest) restore(ctx context.Context, tell func(string)) error {
	kind := job.Exact
	if g.kind == job.SMP {
		kind = job.SMP
	}
	name := g.kernel.Name + "-" + string(kind)
	parts := []string{g.kernel.SHA256, filepath.Base(g.config.Initrd)} // the initramfs is named by its contents
	snapshots, err := g.Snapshots()
	if err != nil {
		return err
	}
	g.config.Snapshot, err = snapshots.Ensure(ctx, name, g.config, parts, func() { tell("boot, once") })
	if err != nil && ctx.Err() == nil && !errors.Is(err, qemu.ErrNotFound) {
		g.Progress.Notice("%s: %v; booting without a snapshot", name, err)
		g.config.Snapshot, err = "", nil
	}
	return err
}

// how says how the guest was run.
func (g *guest) how() string {
	start := "snapshot"
	if g.config.Snapshot == "" {
		start = "cold boot"
	}
	return fmt.Sprintf("%s: %s", start, strings.Join(g.config.Hardware(), " "))
}

// seen is what came of a job.
type seen struct {
	observations job.Observations
	how          string
	fate         *job.Fate // how the job ended its guest; nil: it did not
}

// observe runs a job in a guest and returns what was observed. later is what the guest may know only
// when it asks. A guest that fails gets a second try. If it fails for what a submission can cause, and
// a guest of the same kind does the lab's control job well, then the submission is what ended it.
func (h *Host) observe(ctx context.Context, k kernels.Kernel, accel qemu.Accel, needs harness.Needs, j job.Job, later, control []byte) (s seen, err error) {
	g, err := h.guest(ctx, k, accel, j.Guest, needs)
	if err != nil {
		return s, err
	}
	for try := 1; ; try++ {
		s.observations, err = g.do(ctx, j, later)
		var failure *vm.Failure
		if err == nil || !errors.As(err, &failure) {
			s.how = g.how()
			return s, err
		}
		fate := &job.Fate{Stage: g.stage, Trouble: failure.Error()}
		guestIsSound := false
		if control != nil && caused(failure) {
			_, err := g.do(ctx, controlJob(j.Lab, j.Guest, j.Seed, control), later)
			var unsound *vm.Failure
			if err != nil && !errors.As(err, &unsound) {
				return s, err
			}
			guestIsSound = err == nil
		}
		switch {
		case guestIsSound && (try > 1 || errors.Is(failure, vm.ErrBusy)):
			s.fate, s.how = fate, g.how()
			h.Progress.Notice("kernel %s, %s guest: the submission ended it: %v", k.Name, j.Guest, failure)
			return s, nil
		case try > 1:
			return s, fmt.Errorf("kernel %s, %s guest: %w", k.Name, j.Guest, failure)
		}
		if guestIsSound {
			h.Progress.Notice("kernel %s, %s guest: %v; trying once more", k.Name, j.Guest, failure)
		} else if err := g.again(failure); err != nil {
			return s, err
		}
	}
}

// again gives notice that a guest that failed is tried once more, from a new snapshot.
func (g *guest) again(failure *vm.Failure) error {
	g.Progress.Notice("kernel %s, %s guest: %v; trying once more", g.kernel.Name, g.kind, failure)
	if g.config.Snapshot == "" {
		return nil
	}
	snapshots, err := g.Snapshots()
	if err == nil {
		err = snapshots.Drop(g.config.Snapshot)
	}
	if err != nil {
		return fmt.Errorf("remove a snapshot that cannot be used: %w", err)
	}
	return nil
}

// controlJob has a lab's control observed instead of a submission.
func controlJob(lab string, kind job.Guest, seed uint64, control []byte) job.Job {
	return job.Job{Lab: lab, Guest: kind, Seed: seed, ELF: control}
}

// Control has a lab's control observed in a guest of a kind, as it is where a submission seems to have
// ended one. It is for tests: where it fails, nothing can be blamed on a submission.
func (h *Host) Control(ctx context.Context, k kernels.Kernel, lab *harness.Lab, kind job.Guest) (job.Observations, error) {
	const seed job.Seed = 1
	s, err := h.observe(ctx, k, qemu.TCG, lab.Needs, controlJob(lab.Name, kind, seed.Part(job.PartScenes), lab.Control), job.EncodeLater(seed), nil)
	return s.observations, err
}

// caused reports whether a submission can have caused a failure. It cannot keep a guest from booting,
// damage a snapshot or move a clock.
func caused(f *vm.Failure) bool {
	for _, kind := range []error{vm.ErrSilent, vm.ErrDeadline, vm.ErrBusy, vm.ErrPanic, vm.ErrProtocol, vm.ErrAgent} {
		if errors.Is(f, kind) {
			return true
		}
	}
	return false
}
