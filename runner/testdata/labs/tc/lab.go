// SPDX-License-Identifier: Apache-2.0

// Package tc is a small lab that needs modules, memory and a third CPU: a tc classifier.
package tc

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness"
	"bpflab/harness/host/explain"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/policy"
	"bpflab/harness/job"
	"bpflab/runner/testdata/labs/tc/observe"
)

// Lab is the lab.
var Lab = &harness.Lab{
	Name: "lab_tc", Title: "Counting at tc", File: "count.bpf.c",
	Guests: []job.Guest{job.Exact, job.SMP},
	Needs:  harness.Needs{Modules: []string{"sch_ingress", "cls_bpf"}, MemoryMiB: 384, CPUs: 3},
	Policy: policy.Policy{
		Programs: []policy.Program{{Name: "count", Section: "tc/ingress", Type: ebpf.SchedCLS}},
		Maps:     []policy.Map{{Name: "counts", KeySize: 4, ValueSize: 16, MinEntries: 1, Types: []ebpf.MapType{ebpf.Array}}},
		MaxMaps:  1, MaxMapBytes: 1 << 20, MaxInstructions: 100,
		Helpers: []asm.BuiltinFunc{asm.FnMapLookupElem},
	},
	Tasks: []judge.Task{
		{ID: "verifier", Title: "verifier", Points: 50, Judge: explain.Judge(100)},
		{ID: "counts", Title: "exact counts", Points: 50, Judge: explain.IfLoaded(judgeCounts)},
	},
}

func judgeCounts(o job.Observations) (judge.Verdict, error) {
	s, err := job.Get[observe.Seen](o, "tc")
	v := judge.Verdict{Status: judge.Pass, Fraction: 1}
	if s.Sent != s.Counted {
		v = judge.Verdict{Status: judge.Fail, Message: fmt.Sprintf("%d packets of %d bytes arrived, and %d of %d bytes were counted",
			s.Sent.Packets, s.Sent.Bytes, s.Counted.Packets, s.Counted.Bytes)}
	}
	return v, err
}
