//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Lab 12.2, solved: events are read where they lie, many at a time, and the reader takes a
// nap before it reads, so that there are many.
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

// nap is how long a reader that was woken lets events gather. The kernel wakes it again only
// once it has read them all, so it is woken at most once in a nap; and it is what a lone event
// waits.
const nap = 400 * time.Microsecond

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	for ctx.Err() == nil {
		if err := r.Wait(-1); err != nil {
			return err
		}
		// Not time.Sleep: that is rounded up to a millisecond where nothing else runs.
		_ = syscall.Nanosleep(&syscall.Timespec{Nsec: int64(nap)}, nil)
		for drain(r, out) {
			out.Flush()
		}
	}
	return ctx.Err()
}

// drain reports all that is there now, and gives the room back in one go.
func drain(r *ring.Ring, out *consumer.Out) (some bool) {
	position, end := r.Consumed(), r.Produced()
	for position != end {
		size, flags := r.Header(position)
		if flags&ring.Busy != 0 {
			break
		}
		if flags&ring.Discarded == 0 {
			// No copy but the report: the event is read where the kernel has written it.
			out.Event((*consumer.Event)(unsafe.Pointer(&r.Data[position&r.Mask+ring.HeaderSize])))
		}
		position = ring.Next(position, size)
		some = true
	}
	r.Release(position)
	return some
}
