// SPDX-License-Identifier: Apache-2.0

// Package unfinished keeps a record of a ring buffer reserved but not submitted for as long as a scene needs,
// while others write behind it. On a machine with many CPUs that happens all the time, for some nanoseconds; here
// it happens on one CPU, at a moment of our choice: the program that has reserved the record sleeps, because it
// copies the record's content from a page that is not there yet (userfaultfd).
package unfinished

import (
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"
)

// Writer writes records of one size into a ring.
type Writer struct {
	program *ebpf.Program
	faults  int        // the userfaultfd
	page    []byte     // where the content of an unfinished record comes from
	done    chan error // how the run ended that has reserved the record; nil: there is none
}

// What a program is given: where the content is, and the flags of its submission.
type order struct {
	Content uint64
	Flags   uint64
}

const (
	patience    = time.Second // until a record is reserved
	forceWakeup = 1 << 1      // BPF_RB_FORCE_WAKEUP
)

var errFull = errors.New("the ring is full")

// From uapi/linux/userfaultfd.h, which golang.org/x/sys does not have.
const (
	uffdAPI       = 0xaa
	uffdioAPI     = 0xc018aa3f
	uffdioReg     = 0xc020aa00
	uffdioCopy    = 0xc028aa03
	uffdioMissing = 1
)

// New prepares to write records of size bytes into a ring. The error is [ebpf.ErrNotSupported] where a program cannot
// sleep after it has reserved a record: before Linux 5.14. Requires CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE.
func New(ring *ebpf.Map, size int) (_ *Writer, err error) {
	if err := features.HaveProgramType(ebpf.Syscall); err != nil {
		return nil, err
	}
	w := &Writer{faults: -1}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("prepare an unfinished record: %w", err), w.Close())
		}
	}()
	w.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "unfinished", Type: ebpf.Syscall, Flags: unix.BPF_F_SLEEPABLE, License: "GPL",
		Instructions: asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1),
			asm.LoadMapPtr(asm.R1, ring.FD()),
			asm.Mov.Imm(asm.R2, int32(size)),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnRingbufReserve.Call(),
			asm.JEq.Imm(asm.R0, 0, "full"),
			asm.Mov.Reg(asm.R7, asm.R0),
			asm.Mov.Reg(asm.R1, asm.R7),
			asm.Mov.Imm(asm.R2, int32(size)),
			asm.LoadMem(asm.R3, asm.R6, int16(unsafe.Offsetof(order{}.Content)), asm.DWord),
			asm.FnCopyFromUser.Call(),
			asm.Mov.Reg(asm.R1, asm.R7),
			asm.LoadMem(asm.R2, asm.R6, int16(unsafe.Offsetof(order{}.Flags)), asm.DWord),
			asm.FnRingbufSubmit.Call(),
			asm.Mov.Imm(asm.R0, 1),
			asm.Return(),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("full"),
			asm.Return(),
		},
	})
	if err != nil {
		return nil, err
	}
	if w.page, err = unix.Mmap(-1, 0, unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
		return nil, err
	}
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK, 0, 0)
	if errno != 0 {
		return nil, fmt.Errorf("userfaultfd: %w", errno)
	}
	w.faults = int(fd)
	if err := w.ioctl(uffdioAPI, []uint64{uffdAPI, 0, 0}); err != nil {
		return nil, err
	}
	return w, w.ioctl(uffdioReg, []uint64{w.missing(), uint64(len(w.page)), uffdioMissing, 0})
}

// missing is the address of the page that is not there yet.
func (w *Writer) missing() uint64 { return uint64(uintptr(unsafe.Pointer(&w.page[0]))) }

func (w *Writer) ioctl(request uintptr, argument []uint64) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(w.faults), request, uintptr(unsafe.Pointer(&argument[0])))
	if errno != 0 {
		return fmt.Errorf("userfaultfd, request %#x: %w", request, errno)
	}
	return nil
}

// run has the program write a record, and reports whether there was room for it.
func (w *Writer) run(o order) (bool, error) {
	result, err := w.program.Run(&ebpf.RunOptions{Context: o})
	if err != nil {
		return false, fmt.Errorf("write a record: %w", err)
	}
	return result != 0, nil
}

// Write writes a record at once and wakes the ring's reader, whether it sleeps or not. It reports whether there was room.
func (w *Writer) Write(content []byte) (bool, error) {
	// The kernel reads the content by its address, which no collector may change meanwhile.
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&content[0])
	return w.run(order{uint64(uintptr(unsafe.Pointer(&content[0]))), forceWakeup})
}

// Reserve reserves a record, which stays ring.Busy until Finish, and reports whether there was room. It is called once.
func (w *Writer) Reserve() (bool, error) {
	w.done = make(chan error, 1)
	go func() {
		ok, err := w.run(order{w.missing(), 0})
		if err == nil && !ok {
			err = errFull
		}
		w.done <- err
	}()
	for began := time.Now(); ; {
		var message [32]byte
		_, err := unix.Read(w.faults, message[:])
		switch {
		case err == nil:
			return true, nil
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return false, fmt.Errorf("wait until a record is reserved: %w", err)
		case time.Since(began) > patience:
			return false, fmt.Errorf("wait until a record is reserved: it is not after %v", patience)
		}
		select {
		case err := <-w.done:
			if w.done <- err; errors.Is(err, errFull) {
				return false, nil
			}
			return false, err
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// Finish fills in the record that was reserved, and submits it.
func (w *Writer) Finish(content []byte) error {
	whole := make([]byte, len(w.page))
	copy(whole, content)
	err := w.ioctl(uffdioCopy, []uint64{w.missing(), uint64(uintptr(unsafe.Pointer(&whole[0]))), uint64(len(whole)), 0, 0})
	runtime.KeepAlive(whole)
	if err != nil {
		return err
	}
	err = <-w.done
	w.done = nil
	return err
}

// Close ends a record that was not finished, with what its page then holds: zeros.
func (w *Writer) Close() error {
	var errs []error
	if w.faults >= 0 {
		errs = append(errs, unix.Close(w.faults))
	}
	if w.done != nil {
		<-w.done // the page is there now, as nobody waits for its faults
	}
	if w.page != nil {
		errs = append(errs, unix.Munmap(w.page))
	}
	if w.program != nil {
		errs = append(errs, w.program.Close())
	}
	return errors.Join(errs...)
}
