// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// ErrNotFound is returned where the machine has no QEMU.
var ErrNotFound = errors.New("qemu-system-x86_64 not found: install it with `apt-get install qemu-system-x86`, or your system's package of that name")

// Binary is the name of QEMU's command.
const Binary = "qemu-system-x86_64"

// Command is a guest to run, as exec.Cmd is a process to run.
type Command struct {
	Config Config
	Job    []byte

	// Snapshot is what Config.Restore goes on from.
	Snapshot *os.File

	// Results and Console read what the guest writes to its two channels, until it ends.
	// Set by Start.
	Results, Console *os.File
	// Monitor controls the guest. Set by Start.
	Monitor *Monitor

	cmd    *exec.Cmd
	stderr head
	done   chan struct{} // closed when QEMU has ended, with exit
	exit   error
}

// Start starts QEMU. It ends when the guest does, when ctx is done, or with this
// process, however that dies.
func (c *Command) Start(ctx context.Context) error {
	path, err := exec.LookPath(c.Config.binary())
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrNotFound, err)
	}
	results, resultsEnd, err1 := os.Pipe()
	console, consoleEnd, err2 := os.Pipe()
	jobEnd, job, err3 := os.Pipe()
	monitor, monitorEnd, err4 := socketPair()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		for _, f := range []*os.File{results, resultsEnd, console, consoleEnd, jobEnd, job, monitorEnd} {
			f.Close() // those that are nil say so, and no more
		}
		if monitor != nil {
			monitor.Close()
		}
		return fmt.Errorf("make QEMU's pipes: %w", err)
	}
	defer resultsEnd.Close()
	defer consoleEnd.Close()
	defer jobEnd.Close()
	defer monitorEnd.Close()
	c.Results, c.Console = results, console
	c.Monitor = newMonitor(monitor)

	c.cmd = exec.CommandContext(ctx, path, c.Config.Args()...)
	c.cmd.ExtraFiles = []*os.File{resultsEnd, consoleEnd, jobEnd, monitorEnd}
	if c.Snapshot != nil {
		c.cmd.ExtraFiles = append(c.cmd.ExtraFiles, c.Snapshot)
	}
	c.cmd.Stderr = &c.stderr
	c.cmd.SysProcAttr = sysProcAttr()
	c.cmd.Cancel = func() error { return kill(c.cmd.Process) }
	c.cmd.WaitDelay = 5 * time.Second // for whatever QEMU left that holds its standard error

	started := make(chan error)
	c.done = make(chan struct{})
	go func() {
		// The kernel sends Pdeathsig when the starting thread ends, not the process:
		// keep that thread for as long as QEMU runs.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.exit = c.cmd.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		c.Close()
		job.Close()
		return fmt.Errorf("start %s: %w", path, err)
	}
	go func() {
		_, _ = job.Write(c.Job) // a QEMU that ended before it read its job says so itself
		job.Close()
	}()
	return nil
}

// Done is closed when QEMU has ended.
func (c *Command) Done() <-chan struct{} { return c.done }

// Wait returns when QEMU has ended; its error holds what QEMU said on standard error.
func (c *Command) Wait() error {
	<-c.done
	if c.exit != nil && bytes.Contains(c.stderr, []byte("unsupported machine type")) {
		return fmt.Errorf("%w: this QEMU no longer has, or does not have yet, the machine type %s that guests need", c.exit, MachineType)
	}
	if c.exit != nil && len(c.stderr) > 0 {
		return fmt.Errorf("%w: %s", c.exit, bytes.TrimSpace(c.stderr))
	}
	return c.exit
}

// CPU is how long QEMU has run, all its threads together; 0 where the host does not tell.
func (c *Command) CPU() time.Duration { return cpuTime(c.cmd.Process.Pid) }

// Close closes this end of the guest's channels.
func (c *Command) Close() {
	c.Results.Close()
	c.Console.Close()
	c.Monitor.conn.Close()
}

// Kill ends QEMU at once.
func (c *Command) Kill() { _ = kill(c.cmd.Process) }

// head keeps the beginning of what is written to it.
type head []byte

const headMax = 16 << 10

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(headMax-len(*h), len(p))]...)
	return len(p), nil
}
