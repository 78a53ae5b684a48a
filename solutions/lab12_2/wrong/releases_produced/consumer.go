// want drops:fail@6.1,6.12,6.18,7.3 "may give back only what lies before that"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Stops at an event that is not finished yet, and gives back the room of all that are there.
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
	position := r.Consumed()
	for position != r.Produced() {
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
	r.Release(r.Produced())
	return some
}
