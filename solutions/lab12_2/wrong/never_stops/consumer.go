// want drops:fail "it could not be stopped"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// A thread of it waits in vfork for another one, which does not go on: such a process cannot be
// stopped.
package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"syscall"
	"unsafe"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	runtime.GOMAXPROCS(2)  // one is the thread's
	debug.SetGCPercent(-1) // a collection would wait for it
	go wait()
	for {
		if err := r.Wait(-1); err != nil {
			return err
		}
		for drain(r, out) {
		}
		out.Flush()
	}
}

func wait() {
	runtime.LockOSThread()
	const flags = syscall.CLONE_VM | syscall.CLONE_VFORK | syscall.CLONE_SIGHAND | syscall.CLONE_THREAD
	if child, _, _ := syscall.RawSyscall6(syscall.SYS_CLONE, flags, 0, 0, 0, 0, 0); child == 0 {
		for {
			syscall.RawSyscall(syscall.SYS_PAUSE, 0, 0, 0)
		}
	}
}

func drain(r *ring.Ring, out *consumer.Out) (some bool) {
	position, end := r.Consumed(), r.Produced()
	for position != end {
		size, flags := r.Header(position)
		if flags&ring.Busy != 0 {
			break
		}
		if flags&ring.Discarded == 0 {
			out.Event((*consumer.Event)(unsafe.Pointer(&r.Data[position&r.Mask+ring.HeaderSize])))
		}
		position = ring.Next(position, size)
		some = true
	}
	r.Release(position)
	return some
}
