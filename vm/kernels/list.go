// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// State says whether a kernel can be used.
type State string

const (
	Cached     State = "cached"
	NotFetched State = "not fetched"
	Damaged    State = "damaged"
)

// Status is a line of the list of kernels.
type Status struct {
	Name    string
	Release string // of what is cached, else of what would be fetched
	Version string // likewise; empty for an added kernel
	State   State
	Size    int64 // bytes on disk
}

// List returns the kernels of the matrix, oldest first, then the added ones by
// name. It reads every cached vmlinuz.
func (s *Store) List() ([]Status, error) {
	var all []Status
	for _, name := range append(Names(), s.added()...) {
		pin := locked[name]
		st := Status{Name: name, Release: pin.Release, Version: pin.Version, State: Cached}
		k, err := s.Get(name)
		switch {
		case err == nil:
			st.Release, st.Version = k.Release, k.Version
		case errors.Is(err, ErrNotFetched):
			st.State = NotFetched
		case errors.Is(err, ErrDamaged):
			st.State = Damaged
		default:
			return nil, err
		}
		st.Size = size(filepath.Join(s.root(), name))
		all = append(all, st)
	}
	return all, nil
}

// added returns the names of the kernels that [Store.Add] stored.
func (s *Store) added() []string {
	entries, _ := os.ReadDir(s.root())
	var names []string
	for _, e := range entries {
		if e.IsDir() && validName.MatchString(e.Name()) && !slices.Contains(Names(), e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}
