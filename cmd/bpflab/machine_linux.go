// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"bpflab/harness"
	"bpflab/harness/judge"
	"bpflab/harness/sandbox"
	"bpflab/vm"
	"bpflab/vm/initramfs"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

// guestModules are what the labs need of a kernel beyond its image.
var guestModules = []string{"veth", "qemu_fw_cfg"}

// machine is this host: where it keeps things and how it starts guests.
type machine struct {
	cache   string
	verbose bool
	sandbox sandbox.Mode // for compilers
	kvm     bool         // use it, if it works
	stderr  io.Writer

	once  sync.Once
	shown *progress

	agentOnce sync.Once
	agent     agent
}

// agent is the binary that is PID 1 in guests.
type agent struct {
	path, sha256 string
	err          error
}

func (m *machine) progress() *progress {
	m.once.Do(func() { m.shown = newProgress(m.stderr) })
	return m.shown
}

// cacheDir returns the cache folder, which it makes if need be.
func (m *machine) cacheDir() (string, error) {
	if m.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a cache folder: %w; name one with --cache", err)
		}
		m.cache = filepath.Join(dir, "bpflab")
	}
	dir, err := filepath.Abs(m.cache)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(dir, ".probe-*"); err == nil {
			probe.Close()
			err = os.Remove(probe.Name())
		}
	}
	if err != nil {
		return "", fmt.Errorf("the cache folder must be writable: %w; name another with --cache", err)
	}
	return dir, nil
}

func (m *machine) store() (*kernels.Store, error) {
	dir, err := m.cacheDir()
	if err != nil {
		return nil, err
	}
	return &kernels.Store{Dir: dir, Progress: m.progress().notice}, nil
}

// known refuses names that no kernel has, before anything is built or booted for them.
func (m *machine) known(names []string) error {
	if len(names) == 0 {
		return &exit{exitUsage, errors.New("--kernels names no kernel")}
	}
	store, err := m.store()
	if err != nil {
		return err
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return &exit{exitUsage, fmt.Errorf("--kernels names %s twice", name)}
		}
		if _, err := store.Get(name); errors.Is(err, kernels.ErrUnknown) {
			return err
		}
	}
	return nil
}

// kernels returns kernels, which it fetches if need be.
func (m *machine) kernels(ctx context.Context, names []string) ([]kernels.Kernel, error) {
	store, err := m.store()
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range names {
		_, err := store.Get(name)
		switch {
		case errors.Is(err, kernels.ErrNotFetched), errors.Is(err, kernels.ErrDamaged):
			missing = append(missing, name)
		case err != nil:
			return nil, err
		}
	}
	if len(missing) > 0 {
		if err := store.Fetch(ctx, missing...); err != nil {
			return nil, err
		}
	}
	var list []kernels.Kernel
	for _, name := range names {
		k, err := store.Get(name)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, nil
}

// findAgent returns this binary, if it is a static linux/amd64 one, else one that Go builds
// from the clone.
func (m *machine) findAgent(ctx context.Context) agent {
	m.agentOnce.Do(func() {
		a := &m.agent
		if a.path, a.err = os.Executable(); a.err != nil {
			return
		}
		if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" || !static(a.path) {
			a.path, a.sha256, a.err = m.buildAgent(ctx)
			return
		}
		a.sha256, a.err = fileSHA256(a.path)
	})
	return m.agent
}

// buildAgent builds a bpflab for guests. It is kept under its sum: bpflabs of two clones may
// share a cache.
func (m *machine) buildAgent(ctx context.Context) (path, sum string, err error) {
	root, err := moduleRoot()
	if err != nil {
		return "", "", fmt.Errorf("guests need a static linux/amd64 bpflab, which this one is not, and which is built from the clone: %w", err)
	}
	cache, err := m.cacheDir()
	if err != nil {
		return "", "", err
	}
	agents := filepath.Join(cache, "agents")
	if err := os.MkdirAll(agents, 0o755); err != nil {
		return "", "", fmt.Errorf("make a folder for the guests' bpflab: %w", err)
	}
	forgetOld(agents)
	dir, err := os.MkdirTemp(agents, ".tmp-*")
	if err != nil {
		return "", "", fmt.Errorf("build the guests' bpflab: %w", err)
	}
	defer os.RemoveAll(dir)
	built := filepath.Join(dir, "agent")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", built, "./cmd/bpflab")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("build the guests' bpflab: %w\n%s", err, out)
	}
	if sum, err = fileSHA256(built); err != nil {
		return "", "", err
	}
	path = filepath.Join(agents, sum[:16])
	return path, sum, os.Rename(built, path)
}

// moduleRoot is the clone that the current folder is in.
func moduleRoot() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module bpflab\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a clone of bpflab", here)
		}
	}
}

// static reports whether an ELF file asks for no dynamic loader.
func static(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// initrd returns the initramfs for a kernel. It is kept under a name made of all that goes
// into it.
func (m *machine) initrd(ctx context.Context, k kernels.Kernel) (string, error) {
	init := m.findAgent(ctx)
	if init.err != nil {
		return "", fmt.Errorf("find the guests' bpflab: %w", init.err)
	}
	cache, err := m.cacheDir()
	if err != nil {
		return "", err
	}
	key := sha256.Sum256([]byte(strings.Join(append([]string{init.sha256, k.SHA256, k.Release}, guestModules...), "\n")))
	dir := filepath.Join(cache, "initramfs")
	path := filepath.Join(dir, fmt.Sprintf("%s-%x.cpio", k.Name, key[:8]))
	now := time.Now()
	if err := os.Chtimes(path, now, now); err == nil { // it is there, and used
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a folder for initramfs: %w", err)
	}
	forgetOld(dir)
	f, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return "", fmt.Errorf("make an initramfs: %w", err)
	}
	defer os.Remove(f.Name())                                       // once renamed, there is nothing to remove
	_, err = initramfs.Build(f, init.path, k.Modules, guestModules) // a module that is built in has no file; the guest says if it lacks one
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("make the initramfs of kernel %s: %w", k.Name, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return "", fmt.Errorf("keep the initramfs of kernel %s: %w", k.Name, err)
	}
	return path, nil
}

// forgetOld removes what no version of bpflab has used for a week, and what a dead run left.
func forgetOld(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > 7*24*time.Hour {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// seen is what came of a job.
type seen struct {
	observations judge.Observations
	how          string
	fate         *judge.Fate // how the job ended its guest; nil: it did not
}

// How much of QEMU's CPU time a guest may take: a submission that needs more is not run to its end,
// and neither is one that keeps its guest from making a sound. The starters take some 2 s.
const (
	guestCPU     = 20 * time.Second
	guestSilence = 10 * time.Second
)

// observe runs a job in a guest and returns what was observed. later is what the guest may know only
// when it asks. A guest that fails gets a second try. If it fails for what a submission can cause, and
// a guest of the same kind does the lab's control job well, then the submission is what ended it.
func (m *machine) observe(ctx context.Context, k kernels.Kernel, accel qemu.Accel, job harness.Job, later, control []byte) (s seen, err error) {
	c, err := m.guest(ctx, k, accel, job.Kind)
	if err != nil {
		return s, err
	}
	who := k.Name + " " + string(job.Kind)
	guest := strings.ReplaceAll(who, " ", "-")
	if job.Kind == harness.Load || job.Kind == harness.Verify {
		guest = k.Name + "-" + string(harness.Exact)
	}
	defer m.progress().set(who, "")
	var began time.Time
	stage := ""
	tell := func(what string) {
		m.progress().set(who, what)
		if m.verbose {
			m.progress().notice("%-10s %6.2f s  %s", who, time.Since(began).Seconds(), what)
		}
	}
	run := func(job harness.Job) (o judge.Observations, err error) {
		payload, err := job.Encode()
		if err != nil {
			return nil, fmt.Errorf("encode the job: %w", err)
		}
		if job.Lab != "" {
			c.CPU, c.JobSilence = guestCPU, guestSilence
		}
		began, stage, c.Later = time.Now(), "start", later
		c.Stage = func(name string) { stage = name; tell(name) }
		tell("start: " + c.Config.String())
		if err := m.snapshot(ctx, k, &c, guest, tell); err != nil {
			return nil, err
		}
		result, err := vm.Run(ctx, c, payload)
		if err != nil {
			return nil, err
		}
		tell("done")
		if err := json.Unmarshal(result.Body, &o); err != nil {
			return nil, fmt.Errorf("decode what the guest observed: %w", err)
		}
		return o, nil
	}
	// sound reports whether a guest of this kind does the control job.
	sound := func() (bool, error) {
		_, err := run(harness.Job{Lab: job.Lab, Kind: job.Kind, Seed: job.Seed, ELF: control})
		var failure *vm.Failure
		if errors.As(err, &failure) {
			return false, nil
		}
		return err == nil, err
	}
	for try := 1; ; try++ {
		s.observations, err = run(job)
		var failure *vm.Failure
		if err == nil || !errors.As(err, &failure) {
			s.how = how(c)
			return s, err
		}
		fate := &judge.Fate{Stage: stage, Trouble: failure.Error()}
		guestIsSound := false
		if control != nil && caused(failure) {
			if guestIsSound, err = sound(); err != nil {
				return s, err
			}
		}
		switch {
		case guestIsSound && (try > 1 || errors.Is(failure, vm.ErrBusy)):
			s.fate, s.how = fate, how(c)
			m.progress().notice("kernel %s, %s guest: the submission ended it: %v", k.Name, job.Kind, failure)
			return s, nil
		case try > 1:
			return s, fmt.Errorf("kernel %s, %s guest: %w", k.Name, job.Kind, failure)
		}
		m.progress().notice("kernel %s, %s guest: %v; trying once more", k.Name, job.Kind, failure)
		if !guestIsSound && c.Snapshot != "" {
			if err := m.snapshots().Drop(c.Snapshot); err != nil {
				return s, fmt.Errorf("remove a snapshot that cannot be used: %w", err)
			}
		}
	}
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

// how says how a guest was run.
func how(c vm.Config) string {
	start := "snapshot"
	if c.Snapshot == "" {
		start = "cold boot"
	}
	return fmt.Sprintf("%s: %s", start, strings.Join(c.Hardware(), " "))
}

// guest describes a guest of a kind.
func (m *machine) guest(ctx context.Context, k kernels.Kernel, accel qemu.Accel, kind harness.Kind) (vm.Config, error) {
	initrd, err := m.initrd(ctx, k)
	if err != nil {
		return vm.Config{}, err
	}
	c := vm.Config{Config: qemu.Config{Kernel: k.Vmlinuz, Initrd: initrd}}
	if kind == harness.SMP {
		c.CPUs, c.Exact, c.Accel = 2, accel == qemu.TCG, accel
	} else {
		c.Exact, c.Accel = true, qemu.TCG
	}
	return c, nil
}

// snapshot has c go on from a snapshot. Where none can be made, a cold boot serves, and says
// so.
func (m *machine) snapshot(ctx context.Context, k kernels.Kernel, c *vm.Config, name string, tell func(string)) error {
	parts := []string{k.SHA256, filepath.Base(c.Initrd)} // the initramfs is named by its contents
	var err error
	c.Snapshot, err = m.snapshots().Ensure(ctx, name, *c, parts, func() { tell("boot, once") })
	if err != nil && ctx.Err() == nil && !errors.Is(err, qemu.ErrNotFound) {
		m.progress().notice("%s: %v; booting without a snapshot", name, err)
		c.Snapshot, err = "", nil
	}
	return err
}

func (m *machine) snapshots() vm.Snapshots {
	return vm.Snapshots{Dir: filepath.Join(m.cache, "snapshots")}
}
