// SPDX-License-Identifier: Apache-2.0

// Command agent is PID 1 of guests: it has a lab observe a submission beside the kernel, and sends what
// was observed to the host. It contains no judges, hints or reports, so changing those changes no snapshot
// and no cost.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/awake"
	lab12_1 "bpflab/labs/lab12_1/observe"
	lab12_2 "bpflab/labs/lab12_2/observe"
	lab12_3 "bpflab/labs/lab12_3/observe"
	"bpflab/vm/abi"
	"bpflab/vm/guest"
)

// labs are all labs, by the names of their folders. A new lab is one line here, and one in cmd/bpflab.
var labs = map[string]agent.Observe{
	"lab12_1": lab12_1.Observe,
	"lab12_2": lab12_2.Observe,
	"lab12_3": lab12_3.Observe,
}

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "agent: this is PID 1 of bpflab's guests, and of no use elsewhere")
		os.Exit(2)
	}
	// A collection in the middle of a measurement would be measured. A guest lives for one
	// job and has memory enough.
	debug.SetGCPercent(-1)
	// Until memory is short, which only a submission that makes the agent read much can bring about.
	debug.SetMemoryLimit(96 << 20)
	if os.Getenv(abi.Awake) != "" {
		if err := awake.Start(); err != nil {
			panic(err) // the end of PID 1, and of the guest, which the host reports
		}
	}
	guest.Main(func(ctx context.Context, payload []byte, later func() []byte, stage func(string)) (any, error) {
		check, err := awake.Watch()
		if err != nil {
			return nil, err
		}
		seen, err := agent.Carry(ctx, labs, payload, later, stage)
		return seen, errors.Join(err, check())
	})
}
