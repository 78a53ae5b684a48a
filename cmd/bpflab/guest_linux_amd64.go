// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"runtime/debug"

	"bpflab/harness"
	"bpflab/vm/guest"
)

// guestMain is the life of a guest. It does not return.
func guestMain() {
	// A collection in the middle of a measurement would be measured. A guest lives for one
	// job and has memory enough.
	debug.SetGCPercent(-1)
	guest.Main(func(ctx context.Context, payload []byte, stage func(string)) (any, error) {
		return harness.Carry(ctx, labs, payload, stage)
	})
}
