// want events:fail "no call was made under that name"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Gives back room that it has never had, and goes on reading there.
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
		drain(r, out)
		out.Flush()
	}
	return ctx.Err()
}

func drain(r *ring.Ring, out *consumer.Out) {
	position, end := r.Consumed(), r.Produced()
	for n := 0; position != end && n < 100; n++ {
		size, flags := r.Header(position)
		if flags&ring.Busy != 0 {
			break
		}
		if flags&ring.Discarded == 0 {
			out.Event((*consumer.Event)(unsafe.Pointer(&r.Data[position&r.Mask+ring.HeaderSize])))
		}
		position = ring.Next(position, size)
	}
	r.Release(position + 1<<40)
}
