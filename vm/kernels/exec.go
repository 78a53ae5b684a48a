// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// run runs a command in dir and returns its standard output. It and all its
// children die with ctx, and with this process.
func run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	// Pdeathsig fires when the thread that forked ends, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = sysProcAttr()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second

	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", name, ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return nil, noApt(name)
	case err != nil:
		return nil, fmt.Errorf("%s: %w%s", name, err, tail(stderr.String()))
	}
	return stdout.Bytes(), nil
}

func noApt(name string) error {
	return fmt.Errorf("expected apt-get and dpkg-deb, which fetch the Debian kernels, found no %s: "+
		"add a kernel built elsewhere with bpflab kernels add NAME --vmlinuz FILE", name)
}

// tail is the end of what a command complained of.
func tail(s string) string {
	const most = 6
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	if s = strings.Join(lines, "\n\t"); s == "" {
		return ""
	}
	return ":\n\t" + s
}
