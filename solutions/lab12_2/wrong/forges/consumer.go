// want events:fail "no call was made under that name"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Reports events of its own, for the grader to count.
package main

import (
	"context"
	"syscall"
	"time"
	"unsafe"

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
			out.Event((*consumer.Event)(unsafe.Pointer(&r.Data[position&r.Mask+ring.HeaderSize])))
		}
		position = ring.Next(position, size)
		some = true
	}
	if some {
		out.Event(&consumer.Event{PID: 1, UID: 1001, Comm: [16]byte{'t', 'h', 'r', 'e', 'a', 'd', '9'}})
	}
	r.Release(position)
	return some
}
