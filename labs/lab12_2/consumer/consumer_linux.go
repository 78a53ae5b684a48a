// SPDX-License-Identifier: Apache-2.0

// Package consumer is what a student's consumer is written against. The consumer is a process
// of its own, without privileges; it has the ring and two pipes, and nothing else:
//
//	0     ends when the consumer shall end
//	1, 2  what it prints; shown if something goes wrong
//	3     the ring
//	4     what it reports
package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"bpflab/harness/guest/ring"
)

const (
	fdRing   = 3
	fdReport = 4
)

// Out is where a consumer reports what it has received.
type Out struct {
	buf []byte
	fd  int
	err error
}

// Event reports an event. It copies e, which may lie in the ring.
func (o *Out) Event(e *Event) {
	if len(o.buf)+Size > cap(o.buf) {
		o.Flush()
	}
	n := len(o.buf)
	o.buf = o.buf[:n+Size]
	*(*Event)(unsafe.Pointer(&o.buf[n])) = *e
}

// Flush hands over what was reported; only then has the grader seen it. It is a system call.
func (o *Out) Flush() {
	for len(o.buf) > 0 && o.err == nil {
		var n int
		n, o.err = unix.Write(o.fd, o.buf)
		o.buf = append(o.buf[:0], o.buf[max(n, 0):]...)
		if errors.Is(o.err, unix.EINTR) {
			o.err = nil
		}
	}
	o.buf = o.buf[:0]
}

// Main runs a consumer until the grader has enough. ctx is done then, and the ring's Wait
// returns at once.
func Main(consume func(ctx context.Context, r *ring.Ring, out *Out) error) {
	if err := run(consume); err != nil {
		fmt.Fprintln(os.Stderr, "consumer:", err)
		os.Exit(1)
	}
}

func run(consume func(context.Context, *ring.Ring, *Out) error) error {
	if len(os.Args) != 2 {
		return errors.New("this program is run by the grader: bpflab grade lab12_2")
	}
	size, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return fmt.Errorf("expected the ring's size, found %q", os.Args[1])
	}
	r, err := ring.Open(fdRing, size)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Watch(0); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	out := &Out{buf: make([]byte, 0, 2048*Size), fd: fdReport}
	out.Event(&Event{}) // it is up
	out.Flush()
	err = consume(ctx, r, out)
	out.Flush()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, out.err)
}
