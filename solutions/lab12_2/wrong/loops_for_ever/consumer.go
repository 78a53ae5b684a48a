// want events:fail "events was reported"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Does nothing, as fast as it can, and does not end when it is told to.
package main

import (
	"context"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	for {
	}
}
