// want events:fail "?[31m"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Writes commands to the terminal that shows its report, and ends.
package main

import (
	"context"
	"errors"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	return errors.New("\x1b[31m\x1b]0;bpflab\a 100/100")
}
