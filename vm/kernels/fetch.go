// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Fetch makes kernels of the matrix ready for [Store.Get]; without names, all
// of them. What is cached and sound is left alone, without network; what is
// damaged is replaced. If a pinned version is gone from the archive, the
// newest of the same series is taken, said through Progress and recorded; for
// the newest kernel of the matrix, if need be, one of a newer series.
func (s *Store) Fetch(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		names = Names()
	}
	if want, err := s.lacking(names); err != nil || len(want) == 0 {
		return err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// Whoever held the lock may have fetched the same kernels.
	want, err := s.lacking(names)
	if err != nil || len(want) == 0 {
		return err
	}

	a, err := s.newApt()
	if err != nil {
		return err
	}
	defer a.close()
	ix, err := a.update(ctx, want)
	if err != nil {
		return err
	}
	// One kernel that cannot be had does not keep the others away.
	var errs []error
	var pins []Pin
	for _, w := range want {
		pin, err := a.choose(ix, w)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		pins = append(pins, pin)
	}
	if len(pins) == 0 {
		return errors.Join(errs...)
	}
	debs, err := a.download(ctx, pins)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}

	a.say("unpacking")
	installed := make([]error, len(pins))
	var wg sync.WaitGroup
	for i, pin := range pins {
		wg.Go(func() { installed[i] = s.install(ctx, pin, debs) })
	}
	wg.Wait()
	return errors.Join(append(errs, installed...)...)
}

// lacking returns the named kernels that are not cached and sound.
func (s *Store) lacking(names []string) ([]series, error) {
	var want []series
	for _, name := range names {
		_, err := s.Get(name)
		if err == nil {
			continue
		}
		w, ok := lookup(name)
		if !ok {
			return nil, err
		}
		if !errors.Is(err, ErrNotFetched) && !errors.Is(err, ErrDamaged) {
			return nil, err
		}
		if !slices.ContainsFunc(want, func(o series) bool { return o.Name == name }) {
			want = append(want, w)
		}
	}
	return want, nil
}

// choose returns the pin of a kernel if the archive has it, else the newest of
// its series. A suite that could not be read leaves the question open.
func (a *apt) choose(ix index, want series) (Pin, error) {
	pin := locked[want.Name]
	gone := ix.check(pin)
	if gone == nil || !errors.Is(gone, errGone) {
		return pin, gone
	}
	if err := a.allRead(want); err != nil {
		return Pin{}, err
	}
	newest, err := ix.newest(want, want.image)
	if err != nil && want.newer != nil {
		newest, err = ix.newest(want, want.newer)
	}
	if err != nil {
		return Pin{}, fmt.Errorf("%w; %w", gone, err)
	}
	a.say("%v: taking %s instead; costs may differ from the published ones", gone, newest.Version)
	return newest, nil
}
