// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const tempPrefix = ".tmp-"

// root is the directory of all cached kernels.
func (s *Store) root() string { return filepath.Join(s.Dir, "kernels") }

// lock waits until nobody else writes to the store, and removes what dead
// writers left behind.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(s.root(), 0o755); err != nil {
		return nil, notWritable(s.root(), err)
	}
	name := filepath.Join(s.root(), ".lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, notWritable(s.root(), err)
	}
	// Polled, since a blocking flock does not hear of ctx.
	for waited := false; ; waited = true {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if !waited {
			s.say("waiting for another bpflab that writes to %s", s.root())
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for %s: %w", name, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	left, _ := filepath.Glob(filepath.Join(s.root(), tempPrefix+"*"))
	for _, dir := range left {
		os.RemoveAll(dir)
	}
	return func() { f.Close() }, nil
}

// temp makes a directory that the next holder of the lock removes if we cannot.
func (s *Store) temp() (string, error) {
	dir, err := os.MkdirTemp(s.root(), tempPrefix)
	if err != nil {
		return "", notWritable(s.root(), err)
	}
	// apt runs relative to it and must not depend on our working directory.
	return filepath.Abs(dir)
}

func notWritable(dir string, err error) error {
	return fmt.Errorf("kernel cache: expected a directory to write to at %s, found: %w: "+
		"make it writable or choose another cache directory", dir, err)
}
