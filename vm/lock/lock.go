// SPDX-License-Identifier: Apache-2.0

// Package lock keeps two processes from writing to one cache at the same time.
package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Acquire takes the lock that is a file, which it makes if need be. It calls wait, if not
// nil, once before it waits for another holder. The lock ends with release or with the
// process, however that ends.
func Acquire(ctx context.Context, name string, wait func()) (release func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open a lock: %w", err)
	}
	// Polled, since a blocking flock does not hear of ctx.
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if wait != nil {
			wait()
			wait = nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for %s: %w", name, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
