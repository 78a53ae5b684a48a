// want events:fail "it reported more than"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Reports the same event a hundred million times.
package main

import (
	"context"

	"bpflab/harness/consumer"
	"bpflab/harness/ring"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	for range 100_000_000 {
		out.Event(&consumer.Event{})
	}
	return ctx.Err()
}
