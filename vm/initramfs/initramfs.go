// SPDX-License-Identifier: Apache-2.0

// Package initramfs builds the guest's only file system: one static binary as
// /init and the kernel modules it loads, in order.
//
//	/init                   the binary
//	/modules/order          module files, one name a line, in load order
//	/modules/00-name.ko     uncompressed
//	/dev/console /dev/null
//	/proc /sys /tmp         empty, for the guest to mount on
package initramfs

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
)

// Build writes an uncompressed newc archive with initBinary, a static
// linux/amd64 executable, as /init, and the named modules and what they depend
// on. The same input gives the same bytes.
//
// Modules are searched below modulesDir, as .ko, .ko.gz, .ko.xz or .ko.zst;
// modulesDir may be empty if the kernel has none. It returns the names that
// have no file there. Whether such a module is built into the kernel or really
// missing is for the caller to know.
func Build(w io.Writer, initBinary, modulesDir string, names []string) (missing []string, err error) {
	initFile, size, err := openInit(initBinary)
	if err != nil {
		return nil, err
	}
	defer initFile.Close()
	tree, err := findModules(modulesDir)
	if err != nil {
		return nil, err
	}
	modules, missing, err := tree.load(names)
	if err != nil {
		return nil, err
	}

	records := []cpio.Record{
		cpio.Directory("dev", 0o755),
		cpio.Directory("modules", 0o755),
		cpio.Directory("proc", 0o555),
		cpio.Directory("sys", 0o555),
		cpio.Directory("tmp", 0o777),
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.CharDev("dev/null", 0o666, 1, 3),
		{
			// Hides Close from the writer, which would close it a second time.
			ReaderAt: io.NewSectionReader(initFile, 0, size),
			Info:     cpio.Info{Name: "init", Mode: cpio.S_IFREG | 0o755, FileSize: uint64(size)},
		},
	}
	var order strings.Builder
	for i, m := range modules {
		file := fmt.Sprintf("%02d-%s.ko", i, m.name)
		records = append(records, cpio.StaticFile("modules/"+file, string(m.data), 0o644))
		fmt.Fprintln(&order, file)
	}
	records = append(records, cpio.StaticFile("modules/order", order.String(), 0o644))
	if err := write(w, records); err != nil {
		return nil, fmt.Errorf("write initramfs: %w", err)
	}
	return missing, nil
}

func write(w io.Writer, records []cpio.Record) error {
	// A directory sorts before what is in it.
	slices.SortFunc(records, func(a, b cpio.Record) int { return cmp.Compare(a.Name, b.Name) })
	archive := cpio.Newc.Writer(w)
	for i, r := range records {
		// Records with the same inode number would be hard links.
		r.Ino, r.NLink = uint64(i+1), 1
		if err := archive.WriteRecord(r); err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	return cpio.WriteTrailer(archive)
}

func openInit(name string) (f *os.File, size int64, err error) {
	f, err = os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("init: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = checkInit(f)
	}
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("init %s: expected a static linux/amd64 executable, found %w: "+
			"build it with CGO_ENABLED=0 GOOS=linux GOARCH=amd64 go build", name, err)
	}
	return f, info.Size(), nil
}
