// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Sink is a UDP socket that takes what its end receives, so that a packet passes through the whole of
// the stack. Its filter counts each datagram and then drops it: a queue would fill, and the memory that
// it takes makes some packets cost thousands of instructions more than others.
type Sink struct {
	fd     int
	count  *ebpf.Map
	filter *ebpf.Program
}

// Listen opens a sink.
func (e *End) Listen(port uint16) (_ *Sink, err error) {
	s := &Sink{fd: -1}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("listen on %s, port %d: %w", e.Name, port, err), s.Close())
		}
	}()
	if s.count, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}); err != nil {
		return nil, err
	}
	s.filter, err = ebpf.NewProgram(&ebpf.ProgramSpec{Name: "count_and_drop", Type: ebpf.SocketFilter, License: "GPL", Instructions: asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, s.count.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "drop"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("drop"),
		asm.Return(),
	}})
	if err != nil {
		return nil, err
	}
	return s, e.Do(func() (err error) {
		s.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		return errors.Join(
			unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, s.filter.FD()),
			unix.Bind(s.fd, &unix.SockaddrInet4{Port: int(port)}))
	})
}

// Received is how many datagrams have arrived so far.
func (s *Sink) Received() (n uint64, err error) {
	if err := s.count.Lookup(uint32(0), &n); err != nil {
		return 0, fmt.Errorf("read what a sink has received: %w", err)
	}
	return n, nil
}

// Close closes the sink.
func (s *Sink) Close() error {
	var errs []error
	if s.fd >= 0 {
		errs = append(errs, unix.Close(s.fd))
	}
	if s.filter != nil {
		errs = append(errs, s.filter.Close())
	}
	if s.count != nil {
		errs = append(errs, s.count.Close())
	}
	return errors.Join(errs...)
}
