// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"io"
	"slices"

	"golang.org/x/sys/unix"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/attach"
	"bpflab/harness/guest/netlab"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// Observe sends frames past the program; in a guest of several CPUs it says what the guest has.
func Observe(_ context.Context, s agent.Subject) (_ job.Observations, err error) {
	o := job.Observations{}
	if s.Guest == job.SMP {
		var set unix.CPUSet
		var info unix.Sysinfo_t
		err := errors.Join(unix.SchedGetaffinity(0, &set), unix.Sysinfo(&info))
		return o, errors.Join(err, o.Set("machine", Machine{set.Count(), int(info.Totalram >> 20)}))
	}
	c, report, err := verifier.Load(s.Spec)
	if err := errors.Join(err, o.Set(verifier.Observed, report)); err != nil || !report.Runs() || s.Guest == job.LoadOnly {
		return o, err
	}
	defer c.Close()
	pair, err := netlab.New(1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pair.Close()) }()
	var running io.Closer
	err = pair.Receiver.Do(func() (err error) {
		running, err = attach.All(c, s.Spec, pair.Receiver.Index)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, running.Close()) }()
	var seen Seen
	err = pair.Sender.Do(func() (err error) {
		seen.Sent, err = send(pair, s.Seed)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = c.Maps["counts"].Lookup(uint32(0), &seen.Counted)
	return o, errors.Join(err, o.Set("tc", seen))
}

// send sends frames of a protocol that nobody answers.
func send(pair *netlab.Pair, seed uint64) (sent Count, err error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return sent, err
	}
	defer unix.Close(fd)
	header := append(append(slices.Clone(pair.Receiver.MAC), pair.Sender.MAC...), 0x88, 0xb5) // an experiment's
	for i := range 100 + seed%100 {
		frame := append(header, make([]byte, 50+(seed+i*i)%1000)...)
		if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: pair.Sender.Index}); err != nil {
			return sent, err
		}
		sent.Packets++
		sent.Bytes += uint64(len(frame))
	}
	return sent, nil
}
