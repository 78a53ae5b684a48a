// want events:fail "ts is"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Writes down when it has read the event, not when the call was made.
package main

import (
	"context"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

const nap = 400 * time.Microsecond

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	for ctx.Err() == nil {
		if err := r.Wait(-1); err != nil {
			return err
		}
		_ = syscall.Nanosleep(&syscall.Timespec{Nsec: int64(nap)}, nil)
		for drain(r, out) {
			out.Flush()
		}
	}
	return ctx.Err()
}

func drain(r *ring.Ring, out *consumer.Out) (some bool) {
	position, end := r.Consumed(), r.Produced()
	for position != end {
		size, flags := r.Header(position)
		if flags&ring.Busy != 0 {
			break
		}
		if flags&ring.Discarded == 0 {
			event := *(*consumer.Event)(unsafe.Pointer(&r.Data[position&r.Mask+ring.HeaderSize]))
			var now unix.Timespec
			_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
			event.Time = uint64(now.Nano())
			out.Event(&event)
		}
		position = ring.Next(position, size)
		some = true
	}
	r.Release(position)
	return some
}
