// want events:fail "MiB of memory"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Takes memory without end.
package main

import (
	"context"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	var all [][]byte
	for ctx.Err() == nil {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
	}
	_ = all
	return ctx.Err()
}
