// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"fmt"

	"github.com/cilium/ebpf"

	"bpflab/harness/judge"
	"bpflab/harness/verifier"
)

// Loaded is what became of one object of a job of the kind Verify.
type Loaded struct {
	verifier.Report
	// Error is not empty where the kernel has judged nothing: it says what went wrong.
	Error string `json:"error,omitempty"`
}

// loaded is the observation of a job of the kind Verify.
const loaded = "loaded"

// GetLoaded returns what became of the objects of a job, in the job's order.
func GetLoaded(o judge.Observations, objects int) ([]Loaded, error) {
	all, err := judge.Get[[]Loaded](o, loaded)
	if err == nil && len(all) != objects {
		err = fmt.Errorf("%d objects were to be loaded, and %d reports came back", objects, len(all))
	}
	return all, err
}

// verify loads objects, one after the other, and keeps none. That one cannot be judged says
// nothing of the others.
func verify(objects [][]byte, load func(*ebpf.CollectionSpec) (verifier.Report, error), stage func(string)) (judge.Observations, error) {
	all := make([]Loaded, len(objects))
	for i, object := range objects {
		stage(fmt.Sprintf("load %d of %d", i+1, len(objects)))
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
		if err == nil {
			all[i].Report, err = load(spec)
		}
		if err != nil {
			all[i].Error = err.Error()
		}
	}
	o := judge.Observations{}
	return o, o.Set(loaded, all)
}
