// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/attach"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// Observe makes files.
func Observe(_ context.Context, s agent.Subject) (_ job.Observations, err error) {
	o := job.Observations{}
	c, report, err := verifier.Load(s.Spec)
	if err := errors.Join(err, o.Set(verifier.Observed, report)); err != nil || !report.Runs() || s.Guest == job.LoadOnly {
		return o, err
	}
	defer c.Close()
	dir, err := os.MkdirTemp("", "create-")
	if err != nil {
		return nil, err
	}
	unix.Umask(0)
	running, err := attach.All(c, s.Spec, 0)
	if err != nil {
		return nil, err
	}
	var modes []Seen
	for _, mode := range []uint32{0o700, 0o777, 0o755, 0o702, 0o775} {
		fd, err := unix.Open(filepath.Join(dir, fmt.Sprint(mode)), unix.O_CREAT|unix.O_WRONLY, mode)
		if err == nil {
			unix.Close(fd)
		}
		if err != nil && !errors.Is(err, unix.EPERM) {
			return nil, err
		}
		modes = append(modes, Seen{mode, err != nil})
	}
	return o, errors.Join(running.Close(), o.Set("files", modes))
}
