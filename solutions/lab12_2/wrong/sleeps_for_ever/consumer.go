// want events:fail "events was reported"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Waits for what never comes.
package main

import (
	"context"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	<-ctx.Done()
	return ctx.Err()
}
