// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/renameio/v2"

	"bpflab/harness"
	"bpflab/harness/host/objects"
	"bpflab/harness/job"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

// maxTypes bounds a kernel's BTF; 7.3's has 7 MB.
const maxTypes = 64 << 20

// errNoBpftool is returned where a header is to be made of a kernel's types.
var errNoBpftool = fmt.Errorf("%w: bpftool makes it, and is not installed: apt-get install bpftool", objects.ErrNoHeader)

// Types returns a file with a kernel's BTF, as the kernel shows it in /sys/kernel/btf/vmlinux. A guest is asked for it
// once; the cache keeps it.
func (h *Host) Types(ctx context.Context, k kernels.Kernel) (string, error) {
	dir, err := h.typesOf(k)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "vmlinux.btf")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	s, err := h.observe(ctx, k, qemu.TCG, harness.Needs{}, job.Job{Guest: job.Types}, nil, nil)
	if err != nil {
		return "", err
	}
	compressed, err := job.GetTypes(s.observations)
	if err != nil {
		return "", err
	}
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return "", fmt.Errorf("kernel %s: uncompress its BTF: %w", k.Name, err)
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxTypes))
	if err != nil {
		return "", fmt.Errorf("kernel %s: uncompress its BTF: %w", k.Name, err)
	}
	return path, renameio.WriteFile(path, raw, 0o644, renameio.WithTempDir(dir))
}

// Header returns the folder of a vmlinux.h with a kernel's types.
func (h *Host) Header(ctx context.Context, k kernels.Kernel) (dir string, err error) {
	if dir, err = h.typesOf(k); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "vmlinux.h")
	if _, err := os.Stat(path); err == nil {
		return dir, nil
	}
	bpftool, err := findBpftool()
	if err != nil {
		return "", err
	}
	types, err := h.Types(ctx, k)
	if err != nil {
		return "", err
	}
	header, err := exec.CommandContext(ctx, bpftool, "btf", "dump", "file", types, "format", "c").Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(failed.Stderr))
		}
		return "", fmt.Errorf("make vmlinux.h of kernel %s: %w", k.Name, err)
	}
	return dir, renameio.WriteFile(path, header, 0o644, renameio.WithTempDir(dir))
}

// findBpftool looks in PATH, and where Debian has it, which is not in every user's PATH.
func findBpftool() (string, error) {
	for _, name := range []string{"bpftool", "/usr/sbin/bpftool"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoBpftool
}

// typesOf makes the folder in which a kernel's types are kept.
func (h *Host) typesOf(k kernels.Kernel) (string, error) {
	cache, err := h.CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "types", k.Name+"-"+k.SHA256[:16])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a folder for a kernel's types: %w", err)
	}
	return dir, nil
}
