// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Sink is a UDP socket that takes what its end receives, so that a packet passes through the whole of
// the stack. Its filter counts each datagram and then drops it: a queue would fill, and the memory that
// it takes makes some packets cost thousands of instructions more than others.
type Sink struct {
	fd       int
	received *tally
}

// Listen opens a sink.
func (e *End) Listen(port uint16) (_ *Sink, err error) {
	s := &Sink{fd: -1}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("listen on %s, port %d: %w", e.Name, port, err), s.Close())
		}
	}()
	if s.received, err = newTally("count_and_drop", ebpf.SocketFilter); err != nil {
		return nil, err
	}
	return s, e.Do(func() (err error) {
		s.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		return errors.Join(
			unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, s.received.prog.FD()),
			unix.Bind(s.fd, &unix.SockaddrInet4{Port: int(port)}))
	})
}

// Received is how many datagrams have arrived so far.
func (s *Sink) Received() (n uint64, err error) {
	if n, err = s.received.read(); err != nil {
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
	if s.received != nil {
		errs = append(errs, s.received.close())
	}
	return errors.Join(errs...)
}
