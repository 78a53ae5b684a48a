// want events:fail "events were not reported"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Does nothing, as fast as it can, and does not end when it is told to.
package main

import (
	"context"

	"bpflab/harness/consumer"
	"bpflab/harness/ring"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	for {
	}
}
