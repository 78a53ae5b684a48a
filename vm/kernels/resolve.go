// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// errSum says that something is not what its pin says.
var errSum = errors.New("checksum mismatch")

// errGone says that the archive no longer holds a pinned package.
var errGone = errors.New("gone from the archive")

// Resolve pins the newest packages of every kernel in the matrix, as the
// archive has them now. Its result, as JSON, is lock.json.
func (s *Store) Resolve(ctx context.Context) ([]Pin, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	a, err := s.newApt()
	if err != nil {
		return nil, err
	}
	defer a.close()
	ix, err := a.update(ctx, catalogue)
	if err != nil {
		return nil, err
	}

	var pins []Pin
	for _, want := range catalogue {
		if err := a.allRead(want); err != nil {
			return nil, err
		}
		pin, err := ix.newest(want, want.image)
		if err != nil {
			return nil, err
		}
		pins = append(pins, pin)
	}
	return pins, nil
}

// newest picks the newest image of a series whose parts are all there: of old
// versions the archive keeps some parts longer than others.
func (ix index) newest(want series, image *regexp.Regexp) (Pin, error) {
	var images []entry
	for _, e := range ix {
		if image.MatchString(e.Name) {
			images = append(images, e)
		}
	}
	slices.SortFunc(images, func(a, b entry) int { return compareVersions(b.Version, a.Version) })

	problem := errors.New("found none")
	for i, image := range images {
		pin, err := ix.complete(want.Name, image)
		if err == nil || errors.Is(err, errEntry) { // an index that is broken is not to be gone around
			return pin, err
		}
		if i == 0 {
			problem = err
		}
	}
	return Pin{}, fmt.Errorf("kernel %s: expected a package %s in %s, %w: "+
		"use a newer bpflab, or a kernel built elsewhere: bpflab kernels add NAME --vmlinuz FILE",
		want.Name, image, strings.Join(want.Suites, " or "), problem)
}

// complete follows the dependencies of an image. From 6.19 on it is empty:
// vmlinuz is in linux-binary and the modules are in linux-modules of the same
// release. (linux-base has the configuration only, and leaves the archive long
// before the image.)
func (ix index) complete(name string, image entry) (Pin, error) {
	if err := image.valid(); err != nil {
		return Pin{}, err
	}
	pin := Pin{
		Name:    name,
		Release: strings.TrimPrefix(image.Name, "linux-image-"),
		Version: image.Version,
		Debs:    []Deb{image.Deb},
	}
	part := regexp.MustCompile(`(linux-(?:binary|modules)-` + regexp.QuoteMeta(pin.Release) + `) \(= ([^)]+)\)`)
	for _, m := range part.FindAllStringSubmatch(image.depends, -1) {
		dep, ok := ix.find(m[1], m[2])
		if !ok {
			return Pin{}, fmt.Errorf("found %s without its %s %s", image.Name, m[1], m[2])
		}
		if err := dep.valid(); err != nil {
			return Pin{}, err
		}
		pin.Debs = append(pin.Debs, dep.Deb)
	}
	return pin, nil
}

// check compares a pin with the archive: errGone if it has other versions
// only, errSum if it has the version with other contents.
func (ix index) check(pin Pin) error {
	for _, d := range pin.Debs {
		e, ok := ix.find(d.Name, d.Version)
		if !ok {
			return fmt.Errorf("kernel %s: %s %s: %w", pin.Name, d.Name, d.Version, errGone)
		}
		if e.SHA256 != d.SHA256 {
			return sumError(d, e.SHA256, "the archive's index")
		}
	}
	return nil
}

func sumError(d Deb, found, where string) error {
	return fmt.Errorf("package %s %s: %w: expected sha256 %s, found %s in %s: "+
		"do not use this mirror; if another one says the same, report it",
		d.Name, d.Version, errSum, d.SHA256, found, where)
}
