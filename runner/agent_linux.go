// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"bpflab/vm/initramfs"
	"bpflab/vm/kernels"
)

// modules are what every guest has of a kernel beyond its image: the network of most labs, so that these share
// snapshots, and what shows the job.
var modules = []string{"veth", "qemu_fw_cfg"}

// agent is the binary that is PID 1 in guests.
type agent struct{ path, sha256 string }

// agentName is what the agent is called beside bpflab, and agentSHA256 the sum of the one that bpflab was
// built with: the Makefile has the linker set it. Without it the agent is built from the clone.
const agentName = "bpflab-agent"

var agentSHA256 string

// findAgent returns the agent beside this binary or, where that is missing or another one than this binary
// was built with, one that Go builds from the clone.
func (h *Host) findAgent(ctx context.Context) (agent, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.agent.path != "" {
		return h.agent, nil
	}
	self, err := os.Executable()
	if err != nil {
		return agent{}, fmt.Errorf("find the guests' agent: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), agentName)
	if sum, err := fileSHA256(beside); err == nil && sum == agentSHA256 {
		h.agent = agent{beside, sum}
		return h.agent, nil
	}
	built, err := h.buildAgent(ctx)
	if err == nil { // another call may do better: this one may have been interrupted
		h.agent = built
	}
	return built, err
}

// buildAgent builds the agent. It is kept under its sum: bpflabs of two clones may share a cache.
func (h *Host) buildAgent(ctx context.Context) (agent, error) {
	root, err := ModuleRoot()
	if err != nil {
		return agent{}, fmt.Errorf("the "+agentName+" that this bpflab was built with is not beside it, and cannot be built: %w; run make bpflab in a clone, and keep both files together", err)
	}
	cache, err := h.CacheDir()
	if err != nil {
		return agent{}, err
	}
	agents := filepath.Join(cache, "agents")
	if err := os.MkdirAll(agents, 0o755); err != nil {
		return agent{}, fmt.Errorf("make a folder for the guests' agent: %w", err)
	}
	forgetOld(agents)
	dir, err := os.MkdirTemp(agents, ".tmp-*")
	if err != nil {
		return agent{}, fmt.Errorf("build the guests' agent: %w", err)
	}
	defer os.RemoveAll(dir)
	built := filepath.Join(dir, "agent")
	if err := compileAgent(ctx, root, built); err != nil {
		return agent{}, err
	}
	sum, err := fileSHA256(built)
	if err != nil {
		return agent{}, err
	}
	path := filepath.Join(agents, sum[:16])
	return agent{path, sum}, os.Rename(built, path)
}

// compileAgent builds the agent of a clone. The same source gives the same bytes, on any host: there are no
// paths in it and no build ID, which would depend on all that is imported, used or not. The Makefile has
// the same flags.
func compileAgent(ctx context.Context, clone, file string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", file, "./cmd/agent")
	cmd.Dir = clone
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the guests' agent: %w\n%s", err, out)
	}
	return nil
}

// initrd returns the initramfs for a kernel, with more modules than those of every guest. It is kept under
// a name made of all that goes into it.
func (h *Host) initrd(ctx context.Context, k kernels.Kernel, more []string) (string, error) {
	modules := append(slices.Clone(modules), more...)
	init, err := h.findAgent(ctx)
	if err != nil {
		return "", err
	}
	cache, err := h.CacheDir()
	if err != nil {
		return "", err
	}
	key := sha256.Sum256([]byte(strings.Join(append([]string{init.sha256, k.SHA256, k.Release}, modules...), "\n")))
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
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithPermissions(0o600))
	if err != nil {
		return "", fmt.Errorf("make an initramfs: %w", err)
	}
	defer f.Cleanup()
	missing, err := initramfs.Build(f, init.path, k.Modules, modules)
	if err == nil {
		err = lacks(k, missing)
	}
	if err == nil {
		err = f.CloseAtomicallyReplace()
	}
	if err != nil {
		return "", fmt.Errorf("make the initramfs of kernel %s: %w", k.Name, err)
	}
	return path, nil
}

// lacks fails for modules that a kernel has neither as files nor built in. Where it does not list what is built in, the
// guest says what it lacks.
func lacks(k kernels.Kernel, missing []string) error {
	list, err := os.ReadFile(filepath.Join(k.Modules, "modules.builtin"))
	if err != nil {
		return nil
	}
	var builtIn []string
	for _, path := range strings.Fields(string(list)) {
		name := strings.TrimSuffix(filepath.Base(path), ".ko")
		builtIn = append(builtIn, strings.ReplaceAll(name, "-", "_"))
	}
	for _, name := range missing {
		if !slices.Contains(builtIn, strings.ReplaceAll(name, "-", "_")) {
			return fmt.Errorf("expected a module %q, found none of that name and none built in", name)
		}
	}
	return nil
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
