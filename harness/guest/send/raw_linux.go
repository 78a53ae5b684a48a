// SPDX-License-Identifier: Apache-2.0

package send

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"bpflab/harness/guest/netlab"
	"bpflab/harness/traffic"
)

// raw sends through a packet socket that goes past the queueing discipline: the way on
// kernels without live frames. It costs an skb for each frame.
type raw struct {
	fd     int
	frames []traffic.Frame
}

func newRaw(end *netlab.End, frames []traffic.Frame) (*raw, error) {
	s := &raw{fd: -1, frames: frames}
	err := end.Do(func() (err error) {
		s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return errors.Join(
			unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1),
			unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: end.Index}))
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a packet socket on %s: %w", end.Name, err), s.Close())
	}
	return s, nil
}

func (s *raw) Close() error {
	if s.fd < 0 {
		return nil
	}
	return unix.Close(s.fd)
}

// Send makes its system calls past Go's scheduler, which takes a thread's place away while
// it is in the kernel: giving it back made a frame a quarter more expensive, now and then.
func (s *raw) Send(n int) (*Sent, error) {
	sent := &Sent{Batches: make([]uint64, 0, n/traffic.Batch)}
	began := time.Now()
	for ; sent.Frames < n; sent.Frames++ {
		data := s.frames[sent.Frames%len(s.frames)].Data
		if _, _, err := unix.RawSyscall(unix.SYS_WRITE, uintptr(s.fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data))); err != 0 {
			return nil, fmt.Errorf("send frame %d of %d: %w", sent.Frames, n, err)
		}
		if (sent.Frames+1)%traffic.Batch == 0 {
			now := time.Now()
			sent.Batches = append(sent.Batches, uint64(now.Sub(began)))
			began = now
		}
	}
	return sent, nil
}
