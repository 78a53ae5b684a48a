// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"runtime"

	"github.com/cilium/ebpf"

	"bpflab/harness/verifier"
)

func init() { loadOnce = load }

// load loads an object and lets go of it.
func load(spec *ebpf.CollectionSpec) (verifier.Report, error) {
	// An agent collects no garbage, for the sake of what it measures. Here nothing is
	// measured, and the logs of many objects may be more than a guest has memory for.
	defer runtime.GC()
	coll, report, err := verifier.Load(spec)
	if coll != nil {
		coll.Close()
	}
	return report, err
}
