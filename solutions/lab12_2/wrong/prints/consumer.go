// want events:fail "printed more than 64 KiB"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Prints a gigabyte.
package main

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"
	"unsafe"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	signal.Ignore(syscall.SIGPIPE)
	for range 1 << 24 {
		fmt.Println("the same sixty-four characters, over and over and over and over")
	}
	for ctx.Err() == nil {
		if err := r.Wait(-1); err != nil {
			return err
		}
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
