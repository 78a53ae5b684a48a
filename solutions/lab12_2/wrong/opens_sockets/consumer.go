// want events:fail "operation not permitted"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Would end, and leave its ends of all pipes in a socket that waits in itself to be received: they
// would stay open.
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
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	rights := syscall.UnixRights(1, 2, 3, 4, pair[0], pair[1])
	if err := syscall.Sendmsg(pair[0], []byte{0}, rights, nil, 0); err != nil {
		return err
	}
	if err := r.Wait(-1); err != nil {
		return err
	}
	os.Exit(3)
	return nil
}
