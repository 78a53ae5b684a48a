// SPDX-License-Identifier: Apache-2.0

// Package awake keeps a guest that counts instructions from halting. QEMU moves the clock of a
// guest that halts on to its next timer, from a second thread, which may not have heard yet of
// the last instructions that the guest carried out: sometimes the clock goes too far by these.
package awake

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// What the process is made of. A round is 512 instructions that do nothing, which cost QEMU next to
// nothing: a second of a guest's time passes in some hundredths of the host's.
const (
	sysClone   = unix.SYS_CLONE
	sysYield   = unix.SYS_SCHED_YIELD
	cloneFlags = unix.CLONE_VM // and no signal at its end, which does not come

	lookRounds  = 8       // it looks at the clock each 4 µs
	longAway    = 300_000 // ns
	yieldRounds = 100
	aloneRounds = 10_000 // some 5 ms
)

var spinner int // the process, or 0

// Start has the guest do nothing by instructions whenever it would halt, until Alone. The
// process that does so has the policy SCHED_IDLE: whatever else wants to run does.
func Start() error {
	// Both would run on one stack, were the process to use it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, old unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return fmt.Errorf("stay awake: %w", err)
	}
	pid := spin()
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil); err != nil {
		return fmt.Errorf("stay awake: %w", err)
	}
	if pid < 0 {
		return fmt.Errorf("stay awake: clone: %w", unix.Errno(-pid))
	}
	const idle = 5 // SCHED_IDLE
	if err := unix.SchedSetAttr(pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: idle}, 0); err != nil {
		return fmt.Errorf("stay awake: %w", err)
	}
	spinner = pid
	return nil
}

// Alone stops the process until resume is called: a kernel that has two to choose from looks
// around more often. Before Linux 6.6, who has slept beside such a process may then run for 3 ms
// before anybody else does, be it a thread of the kernel's with packets to deliver: so these pass.
//
// It is for what never sleeps and has its instructions counted. It is called by the process's own
// user, and by one goroutine at a time.
func Alone() (resume func()) {
	if spinner == 0 {
		return func() {}
	}
	signal(unix.SIGSTOP)
	for {
		err := unix.Waitid(unix.P_PID, spinner, nil, unix.WSTOPPED|unix.WALL, nil)
		if err == nil {
			nothing(aloneRounds)
			return func() { signal(unix.SIGCONT) }
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
