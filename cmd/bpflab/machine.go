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
	stderr  io.Writer

	once  sync.Once
	shown *progress
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

// kernel returns a kernel, which it fetches if need be.
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

// agent returns the binary that is PID 1 in guests: this one, if it is a static linux/amd64
// one, else one that Go builds from the clone.
func (m *machine) agent(ctx context.Context) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this command's own file: %w", err)
	}
	if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" && static(self) {
		return self, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", fmt.Errorf("guests need a static linux/amd64 bpflab, which %s is not, and which is built from the clone: %w", self, err)
	}
	cache, err := m.cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, "agent")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", path, "./cmd/bpflab")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the guests' bpflab: %w\n%s", err, out)
	}
	return path, nil
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
	init, err := m.agent(ctx)
	if err != nil {
		return "", err
	}
	sum, err := fileSHA256(init)
	if err != nil {
		return "", err
	}
	cache, err := m.cacheDir()
	if err != nil {
		return "", err
	}
	key := sha256.Sum256([]byte(strings.Join(append([]string{sum, k.SHA256, k.Release}, guestModules...), "\n")))
	dir := filepath.Join(cache, "initramfs")
	path := filepath.Join(dir, fmt.Sprintf("%s-%x.cpio", k.Name, key[:8]))
	if _, err := os.Stat(path); err == nil {
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
	defer os.Remove(f.Name())                                  // once renamed, there is nothing to remove
	_, err = initramfs.Build(f, init, k.Modules, guestModules) // a module that is built in has no file; the guest says if it lacks one
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
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
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

// observe runs a job in a guest and returns what was observed. A guest that fails for a
// reason of its own gets a second try.
func (m *machine) observe(ctx context.Context, k kernels.Kernel, accel qemu.Accel, job harness.Job) (judge.Observations, string, error) {
	payload, err := json.Marshal(job)
	if err != nil {
		return nil, "", fmt.Errorf("encode the job: %w", err)
	}
	initrd, err := m.initrd(ctx, k)
	if err != nil {
		return nil, "", err
	}
	c := vm.Config{Config: qemu.Config{Kernel: k.Vmlinuz, Initrd: initrd, Accel: qemu.TCG, Exact: true}}
	if job.Kind == harness.SMP {
		c.Exact, c.CPUs, c.Accel = false, 2, accel
	}
	who := k.Name + " " + string(job.Kind)
	began := time.Now()
	c.Stage = func(name string) {
		m.progress().set(who, name)
		if m.verbose {
			m.progress().notice("%s: %6.2f s  %s", who, time.Since(began).Seconds(), name)
		}
	}
	defer m.progress().set(who, "")

	for try := 1; ; try++ {
		m.progress().set(who, "boot")
		began = time.Now()
		if m.verbose {
			m.progress().notice("%s: %s", who, (&qemu.Command{Config: c.Config}).String())
		}
		result, err := vm.Run(ctx, c, payload)
		var failure *vm.Failure
		switch {
		case err == nil:
			if m.verbose {
				m.progress().notice("%s: %6.2f s  done", who, time.Since(began).Seconds())
			}
			var o judge.Observations
			if err := json.Unmarshal(result.Body, &o); err != nil {
				return nil, "", fmt.Errorf("decode what the guest observed: %w", err)
			}
			return o, result.Release, nil
		case errors.As(err, &failure) && try == 1:
			m.progress().notice("kernel %s, %s guest: %v; trying once more", k.Name, job.Kind, err)
		case errors.As(err, &failure):
			return nil, "", fmt.Errorf("kernel %s, %s guest: %s", k.Name, job.Kind, failure.Report())
		default:
			return nil, "", err
		}
	}
}

// qemuVersion is the first line that QEMU says of itself.
func qemuVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "qemu-system-x86_64", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%w (%w)", qemu.ErrNotFound, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}
