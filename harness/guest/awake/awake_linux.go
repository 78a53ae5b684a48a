// SPDX-License-Identifier: Apache-2.0

// Package awake keeps a guest that counts instructions from halting. QEMU moves the clock of a
// guest that halts on to its next timer, from a second thread, which may not have heard yet of
// the last instructions that the guest carried out: sometimes the clock goes too far by these.
package awake

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The pace of the spinner, the process that runs when nobody else does. A round is 512
// instructions that do nothing, which cost QEMU next to nothing: a second of a guest's time
// passes in some hundredths of the host's.
const (
	lookRounds  = 8       // it looks at the clock each 4 µs
	longAway    = 300_000 // ns
	yieldRounds = 100
	aloneRounds = 20_000 // 10 ms: see Alone
)

var (
	spinner int  // its process ID, or 0
	stopped bool // by Alone
)

// Start starts the spinner. It has the policy SCHED_IDLE: whatever else wants to run does.
func Start() error {
	pid, err := start()
	if err != nil {
		return fmt.Errorf("stay awake: %w", err)
	}
	if err := unix.SchedSetAttr(pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		end(pid)
		return fmt.Errorf("stay awake: %w", err)
	}
	spinner = pid
	return nil
}

func end(pid int) {
	_ = unix.Kill(pid, unix.SIGKILL)
	_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
}

// start calls spin with all signals blocked: the new process has the caller's stack pointer, and
// no handler may run in it.
func start() (pid int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return 0, err
	}
	pid = spin()
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil); err != nil {
		return 0, err
	}
	if pid < 0 {
		return 0, unix.Errno(-pid)
	}
	return pid, nil
}

// Alone stops the spinner until resume is called: with two processes to choose from, a kernel
// reschedules more often. Before Linux 6.6 a thread that has slept beside the spinner may then
// keep the CPU for 3 ms, looked at each 4 ms, even from a kernel thread that has packets to
// deliver. Alone lets that time pass before it returns.
//
// It is for what has its instructions counted, or its events, while some thread always runs. It is
// called by the process's own user, by one goroutine at a time, and not within itself. The process
// is sent a SIGCHLD as the spinner stops, and one some time after it goes on.
func Alone() (resume func()) {
	if spinner == 0 {
		return func() {}
	}
	if stopped {
		panic("awake: Alone is called again before resume")
	}
	stopped = true
	signal(unix.SIGSTOP)
	for {
		err := unix.Waitid(unix.P_PID, spinner, nil, unix.WSTOPPED|unix.WALL, nil)
		if err == nil {
			nothing(aloneRounds)
			return func() {
				stopped = false
				signal(unix.SIGCONT)
			}
		}
		if !errors.Is(err, unix.EINTR) {
			panic(fmt.Sprintf("awake: wait until it has stopped: %v", err))
		}
	}
}

func signal(s unix.Signal) {
	if err := unix.Kill(spinner, s); err != nil {
		panic(fmt.Sprintf("awake: signal %v: %v", s, err))
	}
}

// Watch returns what fails if a guest with a spinner and one CPU has halted in between, for 20 ms
// in all or more. With two CPUs one may halt while the other works.
func Watch() (check func() error, err error) {
	before, _, err := readHalted()
	return func() error {
		now, cpus, err := readHalted()
		if err != nil || spinner == 0 || cpus != 1 {
			return err
		}
		return tooLong(now - before)
	}, err
}

// tooLong judges a difference of two times that a kernel tells in whole units of 10 ms: one unit
// may be a moment.
func tooLong(halted time.Duration) error {
	if halted < 20*time.Millisecond {
		return nil
	}
	return fmt.Errorf("the guest halted for %v: its clock may have been moved too far", halted)
}

func readHalted() (halted time.Duration, cpus int, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, fmt.Errorf("read how long the guest halted: %w", err)
	}
	return parseHalted(string(stat))
}

// parseHalted reads from /proc/stat how long the CPUs have halted, and how many there are.
func parseHalted(stat string) (halted time.Duration, cpus int, err error) {
	var user, nice, system, idle, wait int64 // in units of 10 ms
	if _, err := fmt.Sscanf(stat, "cpu %d %d %d %d %d", &user, &nice, &system, &idle, &wait); err != nil {
		return 0, 0, fmt.Errorf("expected /proc/stat to begin with the CPUs' times, found %.80q: %w", stat, err)
	}
	return time.Duration(idle+wait) * 10 * time.Millisecond, strings.Count(stat, "\ncpu"), nil
}
