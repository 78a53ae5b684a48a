// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// outs writes n bytes from p to an I/O port.
//
//go:noescape
func outs(port uint16, p *byte, n uintptr)

// ins reads n bytes from an I/O port to p.
//
//go:noescape
func ins(port uint16, p *byte, n uintptr)

// outw writes a word to an I/O port, which belongs to the next port as well.
func outw(port, value uint16)

// inb reads a byte from an I/O port.
func inb(port uint16) byte

// port writes to an I/O port.
type port uint16

func (p port) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.permit(); err != nil {
		return 0, err
	}
	outs(uint16(p), &b[0], uintptr(len(b)))
	return len(b), nil
}

// permit gives the calling thread permission for the port: it belongs to a thread.
func (p port) permit() error {
	if _, _, errno := unix.RawSyscall(unix.SYS_IOPERM, uintptr(p), 1, 1); errno != 0 {
		return fmt.Errorf("get permission for I/O port %#x: %w", uint16(p), errno)
	}
	return nil
}

// outb writes a byte to the port. It needs permission.
func (p port) outb(value byte) { outs(uint16(p), &value, 1) }
