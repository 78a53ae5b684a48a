// want events:fail "it tried to start another process"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Starts itself again, over and over, and each of these does the same.
package main

import (
	"context"
	"os"
	"syscall"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	for {
		_, _ = syscall.ForkExec("/program", os.Args, &syscall.ProcAttr{Files: []uintptr{0, 1, 2, 3, 4}})
	}
}
