// want wakeups:fail "found no room in the ring"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Copies each event into memory of its own, decodes it with reflection, and flushes each.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"syscall"
	"time"

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
			record := make([]byte, size)
			copy(record, r.Data[position&r.Mask+ring.HeaderSize:])
			var event consumer.Event
			if binary.Read(bytes.NewReader(record), binary.LittleEndian, &event) == nil {
				out.Event(&event)
				out.Flush()
			}
		}
		position = ring.Next(position, size)
		some = true
	}
	r.Release(position)
	return some
}
