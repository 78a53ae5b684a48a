// SPDX-License-Identifier: Apache-2.0

// Package collect runs a student's consumer on a ring and keeps what it reports, and when.
package collect

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/process"
	"bpflab/labs/lab12_2/consumer"
)

// pipeSize is how much a consumer may report before somebody reads it.
const pipeSize = 1 << 20

// Collector is a consumer that runs, and what it has reported.
type Collector struct {
	*process.Process
	reports *os.File
	done    chan struct{}
	buf     []byte // of read

	mu       sync.Mutex
	data     []byte    // whole reports and the beginning of one; never more than its capacity
	arrivals []arrival // in the order of data
	over     bool      // it reported more
}

// arrival says that the first events were there at a time.
type arrival struct {
	events int
	time   int64 // ns
}

// Start starts a consumer on a ring and waits until it is up.
func Start(program string, ring *ebpf.Map) (*Collector, error) {
	fd, err := unix.FcntlInt(uintptr(ring.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("hand on the ring: %w", err)
	}
	ringFile := os.NewFile(uintptr(fd), "ring")
	defer ringFile.Close()
	reports, end, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe for reports: %w", err)
	}
	if _, err := unix.FcntlInt(end.Fd(), unix.F_SETPIPE_SZ, pipeSize); err != nil {
		reports.Close()
		end.Close()
		return nil, fmt.Errorf("make room for reports: %w", err)
	}
	p, err := process.Start(program, []string{strconv.Itoa(int(ring.MaxEntries()))}, ringFile, end)
	end.Close() // or the reports of a consumer that has ended would not end
	if err != nil {
		reports.Close()
		return nil, err
	}
	c := &Collector{Process: p, reports: reports, done: make(chan struct{}), data: touched(maxReports)[:0], buf: touched(pipeSize)}
	go c.read()
	c.Wait(1, time.Second)
	c.Inspect()
	return c, nil
}

// read has a thread of its own, so that a report is seen as soon as it is there.
func (c *Collector) read() {
	defer close(c.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		n, err := unix.Read(int(c.reports.Fd()), c.buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n <= 0 || err != nil {
			return
		}
		now := calls.Now()
		c.mu.Lock()
		before := len(c.data) / consumer.Size
		kept := copy(c.data[len(c.data):cap(c.data)], c.buf[:n])
		c.data = c.data[:len(c.data)+kept]
		if events := len(c.data) / consumer.Size; events > before { // of reports in bits, once for each
			c.arrivals = append(c.arrivals, arrival{events, now})
		}
		c.over = kept < n
		c.mu.Unlock()
		if kept < n {
			return // from then on nobody listens
		}
	}
}

// Inspect returns what is wrong with the consumer, and ends it if something is.
func (c *Collector) Inspect() string {
	c.mu.Lock()
	over := c.over
	c.mu.Unlock()
	if over {
		c.Blame(fmt.Sprintf("it reported more than %d events", maxReports/consumer.Size))
	}
	return c.Process.Inspect()
}

// touched returns memory that the kernel has really given: the first write to a page costs
// thousands of instructions, which are not the consumer's.
func touched(size int) []byte {
	b := make([]byte, size)
	for i := 0; i < len(b); i += os.Getpagesize() {
		b[i] = 1
	}
	return b
}

// maxReports is how many bytes of reports are kept: twice what a lab makes. More must not cost
// the guest its memory.
const maxReports = 4 << 20

// Len is how many events were reported, the first, by which a consumer says that it is up,
// among them.
func (c *Collector) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.data) / consumer.Size
}

// Events returns those reported from the nth on.
func (c *Collector) Events(n int) []consumer.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	whole := len(c.data) / consumer.Size
	events := make([]consumer.Event, max(whole-n, 0))
	for i := range events {
		events[i] = *consumer.Decode(c.data[(n+i)*consumer.Size:][:consumer.Size])
	}
	return events
}

// Raw returns the reports from the nth on as they came.
func (c *Collector) Raw(n int) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.data[min(n*consumer.Size, len(c.data)):])
}

// Arrived returns when the nth event had been reported, ns, or 0 if it was not.
func (c *Collector) Arrived(n int) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.arrivals {
		if a.events > n {
			return a.time
		}
	}
	return 0
}

// Wait returns when n events were reported, when the consumer has ended or reports no more, or
// when nothing more was reported for patience.
func (c *Collector) Wait(n int, patience time.Duration) {
	const step = 500 * time.Microsecond
	last, quiet := -1, time.Duration(0)
	for quiet < patience {
		now := c.Len()
		if now >= n {
			return
		}
		if now != last {
			last, quiet = now, 0
		}
		select {
		case <-c.Done():
			c.lastWords()
			return
		case <-c.done: // it closed the pipe, or filled it
			return
		case <-time.After(step):
			quiet += step
		}
	}
}

// lastWords waits for what a consumer that has ended had reported. It may have left its end of the
// pipe open: see package process. Then whoever reads goes on to wait, for as long as the guest lives.
func (c *Collector) lastWords() {
	select {
	case <-c.done:
	case <-time.After(process.LastWords):
	}
}

// Close ends the consumer.
func (c *Collector) Close() {
	c.Process.Close()
	c.lastWords()
	c.reports.Close()
}
