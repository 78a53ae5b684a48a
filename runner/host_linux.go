// SPDX-License-Identifier: Apache-2.0

// Package runner takes a job from the host to guests and back: it finds kernels and the guests' agent,
// makes initramfs and snapshots, starts guests on the cores that there are, tries again where one fails,
// tells a submission that ends its guest from the grader's own trouble, and puts receipts together. It
// works for any lab, and prints nothing: notices go to its caller.
package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"bpflab/harness/host/build"
	"bpflab/harness/host/sandbox"
	"bpflab/vm"
	"bpflab/vm/kernels"
)

// Progress is told what goes on.
type Progress interface {
	Set(who, what string)              // what somebody is doing; empty: nothing any more
	Notice(format string, args ...any) // what people should read
}

// Host is this machine: where it keeps things, and how it starts guests. Its methods may be called
// from several goroutines once its fields are set.
type Host struct {
	Version  string       // of this build, for receipts
	Cache    string       // folder; empty: bpflab in the user's cache folder
	Verbose  bool         // print each guest's QEMU command and what it takes
	Sandbox  sandbox.Mode // for compilers
	KVM      bool         // for guests of two CPUs, where one boots under it
	Progress Progress

	mu    sync.Mutex // guards agent
	agent agent
}

// UsageError is the caller's mistake, not this machine's trouble.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// CacheDir returns the cache folder, which it makes if need be.
func (h *Host) CacheDir() (string, error) {
	name := h.Cache
	if name == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a cache folder: %w; name one with --cache", err)
		}
		name = filepath.Join(dir, "bpflab")
	}
	dir, err := filepath.Abs(name)
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

// Store is where kernels are kept.
func (h *Host) Store() (*kernels.Store, error) {
	dir, err := h.CacheDir()
	if err != nil {
		return nil, err
	}
	return &kernels.Store{Dir: dir, Progress: h.Progress.Notice}, nil
}

// Choose returns the kernels that are named or, where names is nil, those of the matrix, from the oldest on that
// a lab needs. A name that no kernel has, that comes twice or that is of an older kernel is an error, before
// anything is built or booted for it.
func (h *Host) Choose(names []string, oldest string) ([]string, error) {
	if names == nil {
		return kernels.Since(oldest), nil
	}
	if len(names) == 0 {
		return nil, &UsageError{errors.New("--kernels names no kernel")}
	}
	store, err := h.Store()
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return nil, &UsageError{fmt.Errorf("--kernels names %s twice", name)}
		}
		k, err := store.Get(name)
		if errors.Is(err, kernels.ErrUnknown) {
			return nil, err
		}
		release := cmp.Or(k.Release, name) // the matrix's own, which may not be fetched yet, are called by their version
		if oldest != "" && kernels.Older(release, oldest) {
			return nil, &UsageError{fmt.Errorf("--kernels names %s, which is Linux %s; this lab needs %s or later", name, release, oldest)}
		}
	}
	return names, nil
}

// Kernels returns kernels, which it fetches if need be.
func (h *Host) Kernels(ctx context.Context, names []string) ([]kernels.Kernel, error) {
	store, err := h.Store()
	if err != nil {
		return nil, err
	}
	list := make([]kernels.Kernel, len(names))
	var missing []string
	for i, name := range names {
		list[i], err = store.Get(name)
		switch {
		case errors.Is(err, kernels.ErrNotFetched), errors.Is(err, kernels.ErrDamaged):
			missing = append(missing, name)
		case err != nil:
			return nil, err
		}
	}
	if len(missing) == 0 {
		return list, nil
	}
	if err := store.Fetch(ctx, missing...); err != nil {
		return nil, err
	}
	for i, name := range names {
		if !slices.Contains(missing, name) {
			continue
		}
		if list[i], err = store.Get(name); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Builder builds submissions.
func (h *Host) Builder() (build.Builder, error) {
	cache, err := h.CacheDir()
	return build.Builder{Cache: cache, Sandbox: h.Sandbox}, err
}

// Enforced returns what confines compilers. If that is less than it could be, and nobody asked for less,
// it gives notice.
func (h *Host) Enforced() ([]string, error) {
	list, err := sandbox.Enforced(h.Sandbox)
	if err != nil {
		return nil, err
	}
	if why := sandbox.Missing(); why != "" && h.Sandbox != sandbox.Off {
		h.Progress.Notice("%s: compilers are confined by %s only", why, strings.Join(list, " and "))
	}
	return list, nil
}

// Snapshots are those of this machine's guests.
func (h *Host) Snapshots() (vm.Snapshots, error) {
	dir, err := h.CacheDir()
	return vm.Snapshots{Dir: filepath.Join(dir, "snapshots")}, err
}
