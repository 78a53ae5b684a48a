// want wakeups:fail "1% is the limit: sleep in r.Wait(-1)"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Looks for events over and over, and never sleeps.
package main

import (
	"context"
	"unsafe"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	for ctx.Err() == nil {
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
	r.Release(position)
	return some
}
