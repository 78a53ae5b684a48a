// want drops:fail@6.1,6.12,6.18,7.3 "nothing from a header with ring.Busy on may be read"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Reads events that are not finished yet.
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
		if flags&ring.Discarded == 0 {
			out.Event((*consumer.Event)(unsafe.Pointer(&r.Data[position&r.Mask+ring.HeaderSize])))
		}
		position = ring.Next(position, size)
		some = true
	}
	r.Release(position)
	return some
}
