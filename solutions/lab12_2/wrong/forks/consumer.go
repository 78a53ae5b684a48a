// want events:fail "it tried to start another process"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Splits in two, over and over.
package main

import (
	"context"
	"syscall"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	for {
		_, _, _ = syscall.RawSyscall(syscall.SYS_FORK, 0, 0, 0)
	}
}
