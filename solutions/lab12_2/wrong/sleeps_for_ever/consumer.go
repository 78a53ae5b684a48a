// want events:fail "events were not reported"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Waits for what never comes.
package main

import (
	"context"

	"bpflab/harness/consumer"
	"bpflab/harness/ring"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	<-ctx.Done()
	return ctx.Err()
}
