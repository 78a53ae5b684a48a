// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/attach"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// Observe removes files, and tries to remove folders as if they were files.
func Observe(_ context.Context, s agent.Subject) (_ job.Observations, err error) {
	o := job.Observations{}
	c, report, err := verifier.Load(s.Spec)
	if err := errors.Join(err, o.Set(verifier.Observed, report)); err != nil || !report.Runs() || s.Guest == job.LoadOnly {
		return o, err
	}
	defer c.Close()
	seen := Seen{Failed: s.Seed%7 + 1}
	seen.Made = seen.Failed + s.Seed%11 + 1
	dir, err := os.MkdirTemp("", "unlink-")
	if err != nil {
		return nil, err
	}
	for i := range seen.Made {
		name := filepath.Join(dir, string(rune('a'+i)))
		if i < seen.Failed {
			err = os.Mkdir(name, 0o700)
		} else {
			err = os.WriteFile(name, nil, 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	running, err := attach.All(c, s.Spec, 0)
	if err != nil {
		return nil, err
	}
	for i := range seen.Made {
		_ = unix.Unlink(filepath.Join(dir, string(rune('a'+i))))
	}
	if err := running.Close(); err != nil {
		return nil, err
	}
	_ = c.Maps["by_parent"].Lookup(uint32(os.Getppid()), &seen.Counted) // not there: none was counted
	err = c.Variables["failed"].Get(&seen.CountedFailed)
	return o, errors.Join(err, o.Set("unlinks", seen))
}
