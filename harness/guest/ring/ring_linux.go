// SPDX-License-Identifier: Apache-2.0

// Package ring maps a BPF ring buffer into this process, to be read where it lies.
//
// The kernel writes records one behind the other, each behind a header of 8 bytes, and
// begins anew at the end. Two positions that only grow say what is to be read; both are
// bytes since the ring was made:
//
//	           Consumed              Produced
//	              ↓                     ↓
//	… read, free  │hdr│record│hdr│record│  free …
//
// The data is mapped twice, one copy behind the other, so that a record that wraps around
// the end lies in one piece.
//
//	page 0           Consumed: written by the reader
//	page 1           Produced: written by the kernel
//	page 2 …         the data
//	page 2+size …    the data once more
//
// Source: kernel/bpf/ringbuf.c. Requires at least Linux 5.8, and no privilege beyond the
// map's descriptor.
package ring

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A record's header is a word that holds its length and these two bits, and a word that is
// the kernel's own.
const (
	HeaderSize = 8
	Busy       = 1 << 31 // not committed yet: nothing behind it may be read either
	Discarded  = 1 << 30 // to be skipped
	length     = Discarded - 1
)

// Ring is a mapped ring buffer. Its methods are for one reader.
type Ring struct {
	Data []byte // the data, twice: index it with a position & Mask
	Mask uint64 // its size less one

	consumed, produced *uint64
	epoll              int
	maps               [2][]byte
}

// Open maps the ring of size bytes that a descriptor stands for.
func Open(fd, size int) (_ *Ring, err error) {
	page := os.Getpagesize()
	if size < page || size&(size-1) != 0 {
		return nil, fmt.Errorf("map a ring: expected a size that is a power of two and a page at least, found %d", size)
	}
	r := &Ring{Mask: uint64(size - 1), epoll: -1}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("map a ring of %d bytes: %w", size, err), r.Close())
		}
	}()
	if r.maps[0], err = unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, err
	}
	if r.maps[1], err = unix.Mmap(fd, int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, err
	}
	r.consumed = (*uint64)(unsafe.Pointer(&r.maps[0][0]))
	r.produced = (*uint64)(unsafe.Pointer(&r.maps[1][0]))
	r.Data = r.maps[1][page:]
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	return r, r.watch(fd)
}

// watch has Wait return for fd as well.
func (r *Ring) watch(fd int) error {
	return unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// Watch has Wait return, too, when there is something to read from fd, or when its other end
// is closed.
func (r *Ring) Watch(fd int) error {
	if err := r.watch(fd); err != nil {
		return fmt.Errorf("watch descriptor %d: %w", fd, err)
	}
	return nil
}

// Close unmaps the ring.
func (r *Ring) Close() error {
	var errs []error
	for _, m := range r.maps {
		if m != nil {
			errs = append(errs, unix.Munmap(m))
		}
	}
	if r.epoll >= 0 {
		errs = append(errs, unix.Close(r.epoll))
	}
	return errors.Join(errs...)
}

// Size is how many bytes the ring holds.
func (r *Ring) Size() int { return int(r.Mask + 1) }

// Produced is the position up to which the kernel has reserved records.
func (r *Ring) Produced() uint64 { return atomic.LoadUint64(r.produced) }

// Consumed is the position up to which the reader has read.
func (r *Ring) Consumed() uint64 { return atomic.LoadUint64(r.consumed) }

// Release gives the kernel back all that lies before a position. It may overwrite it at once.
func (r *Ring) Release(position uint64) { atomic.StoreUint64(r.consumed, position) }

// Header reads the header at a position: the length of the record behind it, and whether it
// is Busy or Discarded.
func (r *Ring) Header(position uint64) (size uint32, flags uint32) {
	word := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.Data[position&r.Mask])))
	return word & length, word & (Busy | Discarded)
}

// Record returns the record at a position, where it lies, or nil if it is to be skipped, and the
// position of the next one. It is not ok while there is none that is ready, and where a header says what
// no kernel has written: somebody else has given the room back, and it is overwritten.
func (r *Ring) Record(position uint64) (record []byte, next uint64, ok bool) {
	if position == r.Produced() {
		return nil, position, false
	}
	size, flags := r.Header(position)
	if flags&Busy != 0 || uint64(size)+HeaderSize > r.Mask+1 {
		return nil, position, false
	}
	if flags&Discarded == 0 {
		start := position&r.Mask + HeaderSize
		record = r.Data[start : start+uint64(size)]
	}
	return record, Next(position, size), true
}

// Read calls f with each record that is ready, where it lies, and gives its room back. What is written
// meanwhile stays: f itself may do what a program writes records about.
func (r *Ring) Read(f func(record []byte)) {
	end := r.Produced()
	for position := r.Consumed(); int64(end-position) > 0; {
		record, next, ok := r.Record(position)
		if !ok {
			return
		}
		if record != nil {
			f(record)
		}
		position = next
		r.Release(position)
	}
}

// Next is the position of the header behind a record of a size: records are padded to 8 bytes.
func Next(position uint64, size uint32) uint64 {
	return position + HeaderSize + (uint64(size)+7)&^7
}

// Wait sleeps until the kernel wakes the reader, until timeout, or for as long as that takes
// if timeout is negative. It does not sleep while a record lies ready. Timeouts are whole
// milliseconds, rounded up.
func (r *Ring) Wait(timeout time.Duration) error {
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	var events [2]unix.EpollEvent
	_, err := unix.EpollWait(r.epoll, events[:], ms)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for the ring: %w", err)
	}
	return nil
}
