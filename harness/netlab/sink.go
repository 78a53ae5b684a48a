// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Sink is a UDP socket that takes what its end receives, so that a packet passes through
// the whole of the stack.
type Sink struct{ fd int }

// sinkBuffer holds some 8,000 small packets, which count by the pages they occupy.
const sinkBuffer = 64 << 20

// Listen opens a sink.
func (e *End) Listen(port uint16) (*Sink, error) {
	s := &Sink{fd: -1}
	err := e.Do(func() (err error) {
		s.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		return errors.Join(
			unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, sinkBuffer),
			unix.Bind(s.fd, &unix.SockaddrInet4{Port: int(port)}))
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s, port %d: %w", e.Name, port, err), s.Close())
	}
	return s, nil
}

// Drain reads what has arrived and returns how many packets that was.
func (s *Sink) Drain() (int, error) {
	var buf [2048]byte
	for n := 0; ; n++ {
		_, _, err := unix.Recvfrom(s.fd, buf[:], 0)
		if errors.Is(err, unix.EAGAIN) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("read from a sink: %w", err)
		}
	}
}

// Close closes the sink.
func (s *Sink) Close() error {
	if s.fd < 0 {
		return nil
	}
	return unix.Close(s.fd)
}
