//go:build ignore

// (The line above keeps this file out of the grader: it is a program of its own. Leave it there.)

// SPDX-License-Identifier: Apache-2.0

// Lab 12.2: the consumer. It reads events from the ring and reports them. It works, and it is
// slow: each TODO is one place to do better.
package main

import (
	"bytes"
	"context"
	"encoding/binary"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

// consume reports each event as it comes, until ctx is done.
func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	for ctx.Err() == nil {
		position := r.Consumed()
		if position == r.Produced() {
			if err := r.Wait(-1); err != nil {
				return err
			}
			continue // TODO 6: woken for one event, when a hundred might soon be there
		}
		size, flags := r.Header(position)
		if flags&ring.Busy != 0 {
			continue // it is being written
		}
		if flags&ring.Discarded == 0 {
			start := position&r.Mask + ring.HeaderSize

			// TODO 7: a new slice for each event, a copy, and a decoder that looks at
			// the type of each field anew.
			record := make([]byte, size)
			copy(record, r.Data[start:])
			var event consumer.Event
			if err := binary.Read(bytes.NewReader(record), binary.LittleEndian, &event); err != nil {
				return err
			}
			out.Event(&event)
			out.Flush() // TODO 7: a system call for each event
		}
		r.Release(ring.Next(position, size))
	}
	return ctx.Err()
}
