// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// Anchors load the programs that a submission is compared with: one that does nothing, the starter and the
// reference.
type Anchors struct {
	Empty, Naive, Reference func() (*ebpf.CollectionSpec, error)
}

// Role says which of four programs is compared.
type Role int

const (
	Empty Role = iota
	Naive
	Reference
	Yours
)

// Attempt is one run of a program that was loaded for it: it has learned nothing from another.
type Attempt[T any] struct {
	Cost   float64 // ns; of several attempts the cheapest counts
	Calm   bool    // nothing rare came between: see Calm
	Missed uint64  // how often the kernel has not run the program
	Seen   T
}

// maxTries is how often a program is run at most where the kernel has missed runs.
const maxTries = 5

// Compare runs four programs one after the other in one boot, and returns the cheapest attempt of each. The
// empty one runs once before the others, to warm up caches. A program is run again, up to Tries times, where
// something rare came between, and up to five times where the kernel has missed runs.
func Compare[T any](a Anchors, yours *ebpf.CollectionSpec, run func(Role, *ebpf.CollectionSpec) (Attempt[T], error)) (best [4]T, err error) {
	empty, err1 := a.Empty()
	naive, err2 := a.Naive()
	reference, err3 := a.Reference()
	if err := errors.Join(err1, err2, err3); err != nil {
		return best, fmt.Errorf("read the anchors: %w", err)
	}
	if _, err := run(Empty, empty); err != nil {
		return best, err
	}
	for role, spec := range []*ebpf.CollectionSpec{empty, naive, reference, yours} {
		least := 0.0
		for try := 1; ; try++ {
			one, err := run(Role(role), spec)
			if err != nil {
				return best, err
			}
			if try == 1 || one.Cost < least {
				least, best[role] = one.Cost, one.Seen
			}
			if try == maxTries || one.Missed == 0 && (one.Calm || try >= Tries) {
				break
			}
		}
	}
	return best, nil
}
