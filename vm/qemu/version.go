// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// versionTimeout is far more than a QEMU takes that can run a guest.
var versionTimeout = 30 * time.Second

var versions sync.Map // by binary: QEMU takes some 50 ms to say it

// Version is the first line that a QEMU says of itself; an empty name is the one on PATH.
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
	versions.Store(path, line)
	return line, nil
}
