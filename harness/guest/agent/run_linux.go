// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"bpflab/harness/job"
)

// maxOutput is how much of a program's output is kept, bytes.
const maxOutput = 4 << 20

// run runs a program beside the agent, as root and without limits: it is not a stranger's.
func run(ctx context.Context, program []byte, how job.Run, stage func(string)) (job.Observations, error) {
	path, err := writeProgram(program)
	if err != nil || path == "" {
		return nil, fmt.Errorf("write the program: %w", cmp.Or(err, errors.New("the job holds none")))
	}
	out := &output{}
	ctx, cancel := context.WithTimeout(ctx, how.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, how.Args...)
	cmd.Dir = filepath.Dir(path)
	cmd.Env = append([]string{"PATH=/", "HOME=/", "TMPDIR=" + os.TempDir(), "GODEBUG=" + os.Getenv("GODEBUG")}, how.Env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // a process that it has started may hold its output for ever
	stage("run")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			var failed *exec.ExitError
			if err != nil && !errors.As(err, &failed) && !errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
				return nil, err
			}
			r := job.Ran{Exit: cmd.ProcessState.ExitCode(), TimedOut: ctx.Err() != nil}
			r.Output, r.More = out.read()
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
				r.Exit = 128 + int(status.Signal())
			}
			o := job.Observations{}
			return o, o.SetRan(r)
		case <-time.After(5 * time.Second): // of the guest
			stage("run") // or the host takes the guest for hung
		}
	}
}

// output keeps the beginning of what is written to it.
type output struct {
	mu   sync.Mutex
	kept []byte
	more bool
}

func (o *output) read() (kept []byte, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.kept, o.more
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(p), maxOutput-len(o.kept))
	o.kept = append(o.kept, p[:n]...)
	o.more = o.more || n < len(p)
	return len(p), nil
}
