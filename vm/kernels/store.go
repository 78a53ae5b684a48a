// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

var (
	// ErrUnknown is returned for a name that is neither in the matrix nor
	// added.
	ErrUnknown = errors.New("unknown kernel")
	// ErrNotFetched is returned by [Store.Get] for a kernel of the matrix that
	// is not cached, or cached in another version than the lock file's.
	ErrNotFetched = errors.New("kernel not fetched")
	// ErrDamaged is returned by [Store.Get] if the cached files are not those
	// that were written.
	ErrDamaged = errors.New("cached kernel damaged")
)

// Kernel is a bootable kernel on this host.
type Kernel struct {
	Name           string // as in the matrix, e.g. "6.12"
	Release        string // uname -r, e.g. "6.12.95+deb12-cloud-amd64"
	Version        string // Debian package version; empty for an added kernel
	Vmlinuz        string // absolute path
	Modules        string // absolute path of the directory that holds the .ko files, searched recursively; empty if none
	Config         string // absolute path of its configuration, as in /boot/config-RELEASE; empty if unknown
	SHA256         string // of Vmlinuz
	SubstitutedFor string // the pinned version that was gone, if any
}

// Store is a cache of kernels. Several processes may use one at a time.
type Store struct {
	Dir string // cache root; the kernels lie in Dir/kernels
	// Progress is told, a line at a time, what takes long; nil for silence.
	// Calls do not overlap.
	Progress func(format string, args ...any)
}

func (s *Store) say(format string, args ...any) {
	if s.Progress != nil {
		s.Progress(format, args...)
	}
}

// Get returns a kernel of the matrix, an added one, or for "host" [Host]. It
// reads the whole vmlinuz to see that it is sound, and never the network.
func (s *Store) Get(name string) (Kernel, error) {
	if name == hostName {
		return Host()
	}
	k, err := s.load(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if _, ok := lookup(name); ok {
		return Kernel{}, fmt.Errorf("kernel %s: %w: expected it in %s, found nothing: get it with bpflab kernels fetch %s",
			name, ErrNotFetched, s.root(), name)
	}
	return Kernel{}, s.unknown(name)
}

func (s *Store) unknown(name string) error {
	known := append(Names(), s.added()...)
	return fmt.Errorf("%w %q: expected one of %s, %s", ErrUnknown, name, strings.Join(known, ", "), hostName)
}

// load reads and checks a cached kernel; fs.ErrNotExist if there is none.
func (s *Store) load(name string) (Kernel, error) {
	dir, err := filepath.Abs(filepath.Join(s.root(), name))
	if err != nil {
		return Kernel{}, err
	}
	if !validName.MatchString(name) {
		return Kernel{}, fs.ErrNotExist
	}
	switch _, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return Kernel{}, err
	case err != nil:
		return Kernel{}, notWritable(s.root(), err)
	}
	r, err := readRecord(dir)
	if err != nil {
		return Kernel{}, damaged(name, "%v", err)
	}
	if pin, ok := locked[name]; ok && r.Version != pin.Version && r.SubstitutedFor != pin.Version {
		return Kernel{}, fmt.Errorf("kernel %s: %w: expected version %s, found %s: get it with bpflab kernels fetch %s",
			name, ErrNotFetched, pin.Version, r.Version, name)
	}
	if err := r.check(dir); err != nil {
		return Kernel{}, err
	}
	return r.kernel(dir), nil
}

func damaged(name, format string, args ...any) error {
	fix := "bpflab kernels fetch " + name + " fixes it"
	if _, ok := lookup(name); !ok {
		fix = "bpflab kernels add " + name + " --vmlinuz FILE replaces it"
	}
	return fmt.Errorf("kernel %s: %w: %s: %s", name, ErrDamaged, fmt.Sprintf(format, args...), fix)
}
