// SPDX-License-Identifier: Apache-2.0

// Package calls makes the system calls that a lab traces: at the pace, on the CPU and in the
// name that a scene asks for.
package calls

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Thread is who makes calls.
type Thread struct {
	Name string // at most 15 bytes
	UID  int    // 0 keeps the process's own
}

// Do calls f on a thread of its own. The thread ends with f, and its name and user with it.
func (t Thread) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocks: no other goroutine shall be this user
		err := SetName(t.Name)
		if err == nil && t.UID != 0 {
			err = setUser(t.UID)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// SetName names the calling thread, for bpf_get_current_comm to see.
func SetName(name string) error {
	raw, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(raw)), 0); errno != 0 {
		return fmt.Errorf("name a thread %q: %w", name, errno)
	}
	return nil
}

// setUser makes the calling thread, and no other, another user's: Go's own Setuid changes all.
func setUser(uid int) error {
	id := uintptr(uid)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, id, id, id); errno != 0 {
		return fmt.Errorf("become user %d: %w", uid, errno)
	}
	return nil
}

// Make makes one call. What it returns is of no interest, nor is that it may fail.
func Make(c Call) {
	_, _, _ = unix.RawSyscall(uintptr(c.Number), uintptr(c.First), 0, 0)
}

// Now is the clock that bpf_ktime_get_ns reads, ns. It makes no system call where the kernel lets a process
// read the clock by itself, as it does in guests: a program that is traced runs at each, and could do then
// what it has put off.
func Now() int64 { return nanotime() }

// nanotime is the runtime's CLOCK_MONOTONIC.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64

// Ran is how long the calling thread has run, ns.
func Ran() int64 {
	var ran unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ran) // fails for a clock that does not exist
	return ran.Nano()
}

// Call is a system call.
type Call struct {
	Number uint64
	First  uint64 // its first argument
}

// Repeat makes n calls, those of a list over and over.
func Repeat(list []Call, n int) {
	for i := range n {
		Make(list[i%len(list)])
	}
}

// Timed makes one call and returns how long it took, in instructions of an exact guest. Nothing but
// the call is between two looks at the clock.
func Timed(c Call) uint64 {
	began := ticks()
	_, _, _ = unix.RawSyscall(uintptr(c.Number), uintptr(c.First), 0, 0)
	return uint64(ticks() - began)
}

// ByAnother has another process make n calls, one that lives for these alone, and returns its ID. To a traced
// program it differs from this one in that, and in nothing else.
func ByAnother(c Call, n int) (pid int, err error) {
	pid = another(uintptr(c.Number), uintptr(c.First), uintptr(n))
	if pid < 0 {
		return 0, fmt.Errorf("start another process: %w", unix.Errno(-pid))
	}
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || !status.Exited() {
			return 0, fmt.Errorf("wait for another process, %d: %w, status %#x", pid, err, uint32(status))
		}
		return pid, nil
	}
}

// TimedChange gives the calling thread a name and, unless uid is negative, a user: as far as a traced
// program can tell, by the real user ID. The thread keeps its privileges, and may become another user. It
// returns how long the system calls took, as [Timed] does.
func TimedChange(uid int, name string) (uint64, error) {
	raw, err := unix.BytePtrFromString(name)
	if err != nil {
		return 0, err
	}
	var become, rename unix.Errno
	id := uintptr(uid)
	began := ticks()
	if uid >= 0 {
		_, _, become = unix.RawSyscall(unix.SYS_SETRESUID, id, 0, 0)
	}
	_, _, rename = unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(raw)), 0)
	took := uint64(ticks() - began)
	if become != 0 || rename != 0 {
		return 0, fmt.Errorf("become user %d: %w; name a thread %q: %w", uid, become, name, rename)
	}
	return took, nil
}

// Middle makes calls and returns what the middle one takes, as Timed. It is not the mean: another CPU's
// turn, or another thread's, may come in between, and is longer than all of the calls.
func Middle(list []Call) uint64 {
	took := make([]uint64, len(list))
	for i, c := range list {
		took[i] = Timed(c)
	}
	return middle(took)
}

func middle(took []uint64) uint64 { return slices.Sorted(slices.Values(took))[len(took)/2] }

// Batch is how many calls are timed together.
const Batch = 64

// Time makes n calls, those of a list over and over, and between after every Batch of them. It
// returns how long each batch took without between, ns.
func Time(list []Call, n int, between func()) []uint64 {
	batches := make([]uint64, 0, n/Batch)
	next := 0
	for range n / Batch {
		began := Now()
		for range Batch {
			Make(list[next])
			if next++; next == len(list) {
				next = 0
			}
		}
		batches = append(batches, uint64(Now()-began))
		if between != nil {
			between()
		}
	}
	return batches
}
