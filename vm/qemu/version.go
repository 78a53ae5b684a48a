// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
)

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
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", path, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	versions.Store(path, line)
	return line, nil
}
