// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
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
	lock := flock.New(filepath.Join(s.root(), ".lock"))
	locked, err := lock.TryLock()
	if err == nil && !locked {
		s.say("waiting for another bpflab that writes to %s", s.root())
		_, err = lock.TryLockContext(ctx, 50*time.Millisecond)
	}
	if ctx.Err() != nil {
		lock.Close()
		return nil, fmt.Errorf("wait for %s: %w", lock.Path(), ctx.Err())
	}
	if err != nil {
		return nil, notWritable(s.root(), err)
	}
	left, _ := filepath.Glob(filepath.Join(s.root(), tempPrefix+"*"))
	for _, dir := range left {
		os.RemoveAll(dir)
	}
	return func() { lock.Close() }, nil
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
