// SPDX-License-Identifier: Apache-2.0

// Package printk tells what BPF programs print with bpf_printk, and during what.
package printk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"bpflab/harness/guest/calls"
	"bpflab/harness/job"
)

// tracing is where a guest has mounted tracefs.
const tracing = "/sys/kernel/tracing"

// Log is what the kernel's programs print.
type Log struct {
	fd  int
	buf [64 << 10]byte
}

// Open opens the log, whose lines bear the time of calls.Now from then on. There is one on a machine. Requires root,
// and at least Linux 5.9: before, lines have another form.
func Open() (*Log, error) {
	for _, set := range []struct{ file, value string }{
		{"trace_clock", "mono"},
		{"buffer_size_kb", "256"}, // of each CPU; until it is set, there is room for some lines only
		// Newer kernels do this by themselves as a program is loaded, but some time later.
		{"events/bpf_trace/bpf_trace_printk/enable", "1"},
	} {
		if err := os.WriteFile(filepath.Join(tracing, set.file), []byte(set.value), 0); err != nil {
			return nil, fmt.Errorf("prepare to read what programs print: %w", err)
		}
	}
	fd, err := unix.Open(filepath.Join(tracing, "trace_pipe"), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("read what programs print: %w", err)
	}
	return &Log{fd: fd}, nil
}

// Close closes the log.
func (l *Log) Close() error { return unix.Close(l.fd) }

// margin is more than the rounding of a line's time, which is in microseconds.
const margin = 2 * time.Microsecond

// Moment is the time now, of calls.Now. The calling thread does nothing for some microseconds before and after, not
// even a system call, so that no line that it causes is on the wrong side of it.
func Moment() int64 {
	wait := func() int64 {
		began := calls.Now()
		for calls.Now()-began < int64(margin) {
		}
		return began + int64(margin)
	}
	now := wait()
	wait()
	return now
}

const (
	maxLines = 32  // that are kept of what is printed between two moments
	maxLine  = 512 // bytes that are kept of one
)

// Between returns what was printed between two moments by threads that by approves of; nil: by all. Calls must go on in
// time: what was printed before is lost.
func (l *Log) Between(began, ended int64, by func(thread int) bool) (p job.Printed, err error) {
	within := false // the last line, to which those without a time belong
	for {
		n, err := unix.Read(l.fd, l.buf[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EAGAIN) || n == 0 {
			return p, nil
		}
		if err != nil {
			return p, fmt.Errorf("read what programs print: %w", err)
		}
		for line := range bytes.Lines(l.buf[:n]) { // the kernel returns whole lines
			line = bytes.TrimSuffix(line, []byte("\n"))
			if lost := lostLines.FindSubmatch(line); lost != nil {
				more, _ := strconv.Atoi(string(lost[1]))
				p.More += more
				continue
			}
			if m := head.FindSubmatch(line); m != nil {
				at := moment(m[2], m[3])
				if at > ended { // whatever follows is later, without end where a program prints at each system call
					return p, nil
				}
				thread, _ := strconv.Atoi(string(m[1]))
				within = at >= began && (by == nil || by(thread))
				line = line[len(m[0]):]
			} else if len(line) == 0 {
				continue // the end of a message that ends with the end of a line
			}
			switch {
			case !within:
			case len(p.Lines) == maxLines:
				p.More++
			default:
				p.Lines = append(p.Lines, string(line[:min(len(line), maxLine)]))
			}
		}
	}
}

var (
	// "           agent-1       [000] d..31     3.123456: bpf_trace_printk: protocol 17". The name may be anything.
	head = regexp.MustCompile(`^.{16,}?-(\d+) +\[\d+\] \S+ +(\d+)\.(\d{6}): bpf_trace_printk: `)
	// "CPU:0 [LOST 12 EVENTS]"
	lostLines = regexp.MustCompile(`^CPU:\d+ \[LOST (\d+) EVENTS\]$`)
)

// moment is a line's time, ns.
func moment(seconds, microseconds []byte) int64 {
	s, err1 := strconv.ParseInt(string(seconds), 10, 32)
	us, err2 := strconv.ParseInt(string(microseconds), 10, 32)
	if errors.Join(err1, err2) != nil {
		return 0 // before all moments
	}
	return s*int64(time.Second) + us*int64(time.Microsecond)
}
