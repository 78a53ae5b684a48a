// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// errNotBzImage says that a file is no x86 kernel that QEMU can boot.
var errNotBzImage = errors.New("not a bzImage")

// The part of the boot sector's header that is read here; see "The Linux/x86
// Boot Protocol" in the kernel's documentation.
//
//	0x1f1  u8   sectors of the real-mode code, after the boot sector
//	0x1f4  u32  size of the protected-mode code, in units of 16 bytes
//	0x1fe  u16  0xaa55
//	0x202  "HdrS"
//	0x20e  u16  offset of the version string, less 0x200
const headerSize = 0x210

// readBzImage returns the release (uname -r) of the kernel in r, and how many
// bytes it must have.
func readBzImage(r io.ReaderAt) (release string, size int64, err error) {
	h := make([]byte, headerSize)
	if _, err := r.ReadAt(h, 0); err != nil {
		return "", 0, fmt.Errorf("%w: header: %w", errNotBzImage, err)
	}
	if magic := h[0x202:0x206]; string(magic) != "HdrS" {
		return "", 0, fmt.Errorf("%w: expected \"HdrS\" at 0x202, found %q", errNotBzImage, magic)
	}
	setup := (int64(h[0x1f1]) + 1) * 512
	size = setup + 16*int64(binary.LittleEndian.Uint32(h[0x1f4:]))

	at := 0x200 + int64(binary.LittleEndian.Uint16(h[0x20e:]))
	if at == 0x200 || at >= setup {
		return "", 0, fmt.Errorf("%w: no version string", errNotBzImage)
	}
	// "6.1.0-56-cloud-amd64 (builder@host) #1 SMP ..."
	version := make([]byte, min(512, setup-at))
	n, err := r.ReadAt(version, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", 0, err
	}
	line, _, ended := bytes.Cut(version[:n], []byte{0})
	release, _, _ = strings.Cut(string(line), " ")
	if !ended || release == "" || strings.ContainsFunc(release, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", 0, fmt.Errorf("%w: expected a release as version string, found %q", errNotBzImage, release)
	}
	return release, size, nil
}

// checkBzImage returns the release of the kernel in the named file.
func checkBzImage(name string) (release string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	release, want, err := readBzImage(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w: expected an x86-64 vmlinuz (arch/x86/boot/bzImage of a build)", name, err)
	}
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Size() < want {
		return "", fmt.Errorf("%s: %w: expected at least %d bytes, found %d: copy it again", name, errNotBzImage, want, info.Size())
	}
	return release, nil
}
