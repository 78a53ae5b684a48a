// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"runtime/debug"

	"bpflab/harness"
	"bpflab/harness/awake"
	"bpflab/vm/guest"
	"bpflab/vm/qemu"
)

// guestMain is the life of a guest. It does not return.
func guestMain() {
	// A collection in the middle of a measurement would be measured. A guest lives for one
	// job and has memory enough.
	debug.SetGCPercent(-1)
	// Until memory is short, which only a submission that makes the agent read much can bring about.
	debug.SetMemoryLimit(96 << 20)
	if os.Getenv(qemu.Awake) != "" {
		if err := awake.Start(); err != nil {
			panic(err) // the end of PID 1, and of the guest, which the host reports
		}
	}
	guest.Main(func(ctx context.Context, payload []byte, later func() []byte, stage func(string)) (any, error) {
		check, err := awake.Watch()
		if err != nil {
			return nil, err
		}
		seen, err := harness.Carry(ctx, labs, payload, later, stage)
		return seen, errors.Join(err, check())
	})
}
