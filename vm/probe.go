// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"bpflab/vm/qemu"
)

// Probe finds out whether guests run under KVM, by booting one. That /dev/kvm opens proves
// nothing: there are hosts on which it does and every guest hangs.
type Probe struct {
	File string // where the answer is kept
	KVM  string // device; empty: /dev/kvm

	// Deadline is how long the guest may take. Zero: 15 s.
	Deadline time.Duration
}

type probed struct {
	Key   string     // what the answer depends on
	Accel qemu.Accel // the answer
	Why   string
}

// Accel returns how to run guests that need not be exact, and why. The first answer is kept;
// c is a guest that can be booted and payload a job that it carries out at once.
func (p Probe) Accel(ctx context.Context, c Config, payload []byte) (qemu.Accel, string, error) {
	device := p.KVM
	if device == "" {
		device = "/dev/kvm"
	}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return qemu.TCG, fmt.Sprintf("no KVM: %v", err), nil
	}
	f.Close()

	key := p.key(c)
	var old probed
	if data, err := os.ReadFile(p.File); err == nil && json.Unmarshal(data, &old) == nil && old.Key == key {
		return old.Accel, old.Why, nil
	}
	c.Accel, c.Exact = qemu.KVM, false
	c.Deadline, c.Silence = p.Deadline, p.Deadline
	if p.Deadline == 0 {
		c.Deadline, c.Silence = 15*time.Second, 15*time.Second
	}
	answer := probed{Key: key, Accel: qemu.KVM, Why: "a guest booted under KVM"}
	if _, err := Run(ctx, c, payload); err != nil {
		var failure *Failure
		if !errors.As(err, &failure) {
			return "", "", err
		}
		lines := strings.Split(strings.TrimSpace(err.Error()), "\n") // the last says most: before it QEMU warns
		answer.Accel, answer.Why = qemu.TCG, fmt.Sprintf("no KVM: %s opens, but of a guest under it: %s", device, lines[len(lines)-1])
	}
	return answer.Accel, answer.Why, p.keep(answer)
}

// Forget has the next call of Accel boot a guest again.
func (p Probe) Forget() error {
	if err := os.Remove(p.File); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget what the probe found: %w", err)
	}
	return nil
}

// key changes with the host's kernel and with QEMU.
func (p Probe) key(c Config) string {
	h := sha256.New()
	version, _ := os.ReadFile("/proc/version")
	fmt.Fprintf(h, "%s %s %s\n", runtime.GOOS, runtime.GOARCH, version)
	name := c.Binary
	if name == "" {
		name = qemu.Binary
	}
	if path, err := exec.LookPath(name); err == nil {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintln(h, path, info.Size(), info.ModTime().UnixNano())
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

func (p Probe) keep(answer probed) error {
	data, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("keep what the probe found: %w", err)
	}
	if err := renameio.WriteFile(p.File, data, 0o600, renameio.WithTempDir(filepath.Dir(p.File))); err != nil {
		return fmt.Errorf("keep what the probe found: %w", err)
	}
	return nil
}
