// want events:fail "it ended early: exit status 3"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Ends when it has read once.
package main

import (
	"context"
	"os"
	"unsafe"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	if err := r.Wait(-1); err != nil {
		return err
	}
	for drain(r, out) {
		out.Flush()
	}
	os.Exit(3)
	return nil
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
