// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// versionTimeout is far more than a QEMU takes that can run a guest.
var versionTimeout = 30 * time.Second

var versions sync.Map // by binary: QEMU takes some 50 ms to say it

// ErrOld is returned for a QEMU that does not know MachineType yet.
var ErrOld = errors.New("this QEMU is too old: guests need QEMU 7.2 or later")

// Version is the first line that a QEMU says of itself; an empty name is the one on PATH. One
// that is too old to run guests is an ErrOld.
func Version(ctx context.Context, binary string) (string, error) {
	path, err := exec.LookPath(Config{Binary: binary}.binary())
	if err != nil {
		return "", fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	if v, ok := versions.Load(path); ok {
		return v.(string), nil
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", path, errors.Join(ctx.Err(), err))
	}
	line, _, _ := strings.Cut(string(out), "\n")
	if old(line) {
		return "", fmt.Errorf("%w; %s is %s", ErrOld, path, line)
	}
	versions.Store(path, line)
	return line, nil
}

var versionNumber = regexp.MustCompile(`^QEMU emulator version (\d+)\.(\d+)`)

// old reports whether a version is before 7.2. One in other words is taken for new enough: QEMU
// itself says so if it is not.
func old(line string) bool {
	m := versionNumber.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	major, _ := strconv.Atoi(m[1]) // digits, or too many of them
	minor, _ := strconv.Atoi(m[2])
	return major < 7 || major == 7 && minor < 2
}
