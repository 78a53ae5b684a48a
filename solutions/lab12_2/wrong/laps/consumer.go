//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Reads the records of 32 bytes alone.
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
		if err := r.Wait(-1); err != nil {
			return err
		}
		for {
			position, end := r.Consumed(), r.Produced()
			if position == end {
				break
			}
			size, flags := r.Header(position)
			if flags&ring.Busy != 0 {
				break
			}
			if size == 32 {
				out.Event((*consumer.Event)(unsafe.Pointer(&r.Data[position&r.Mask+8])))
			}
			r.Release(ring.Next(position, size))
		}
		out.Flush()
	}
	return ctx.Err()
}
