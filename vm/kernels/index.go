// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// entry is a package as an archive's index describes it.
type entry struct {
	Deb
	depends string
}

// index is what the archive holds, of the packages that matter here.
type index []entry

// read adds the kernel packages of a Debian Packages file.
func (ix *index) read(r io.Reader) error {
	var e entry
	sc := bufio.NewScanner(r)
	// Some fields of some packages (Provides of librust-*) are longer than
	// Scanner's default of 64 KiB.
	sc.Buffer(nil, 1<<22)
	for sc.Scan() {
		line := sc.Text()
		if line == "" {
			ix.add(e)
			e = entry{}
			continue
		}
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "Package":
			e.Name = value
		case "Version":
			e.Version = value
		case "SHA256":
			e.SHA256 = value
		case "Depends":
			e.depends = value
		case "Size":
			size, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return fmt.Errorf("size of package %s: %w", e.Name, err)
			}
			e.Size = size
		}
	}
	ix.add(e)
	return sc.Err()
}

func (ix *index) add(e entry) {
	if strings.HasPrefix(e.Name, "linux-") {
		*ix = append(*ix, e)
	}
}

// errEntry says that an index describes a package in a way that nothing can be pinned by.
var errEntry = errors.New("broken entry in the archive's index")

var (
	versionForm = regexp.MustCompile(`^[0-9][A-Za-z0-9.+:~-]{0,127}$`)
	sumForm     = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// maxDeb bounds the size that an index may say a package has, in bytes.
const maxDeb = 2 << 30

// valid says what a package lacks to be pinned.
func (e entry) valid() error {
	switch {
	case !versionForm.MatchString(e.Version):
		return fmt.Errorf("package %s: %w: expected a Version, found %.80q", e.Name, errEntry, e.Version)
	case !sumForm.MatchString(e.SHA256):
		return fmt.Errorf("package %s %s: %w: expected a SHA256, found %.80q", e.Name, e.Version, errEntry, e.SHA256)
	case e.Size <= 0 || e.Size > maxDeb:
		return fmt.Errorf("package %s %s: %w: expected a Size of at most %d bytes, found %d", e.Name, e.Version, errEntry, int64(maxDeb), e.Size)
	}
	return nil
}

func (ix index) find(name, version string) (entry, bool) {
	i := slices.IndexFunc(ix, func(e entry) bool { return e.Name == name && e.Version == version })
	if i < 0 {
		return entry{}, false
	}
	return ix[i], true
}
