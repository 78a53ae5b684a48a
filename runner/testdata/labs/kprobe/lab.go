// SPDX-License-Identifier: Apache-2.0

// Package kprobe is a small lab of two programs that read the kernel's own structures.
package kprobe

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness"
	"bpflab/harness/host/explain"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/policy"
	"bpflab/harness/job"
	"bpflab/runner/testdata/labs/kprobe/observe"
)

// Lab is the lab.
var Lab = &harness.Lab{
	Name: "lab_kprobe", Title: "Removed files", File: "unlink.bpf.c",
	Guests: []job.Guest{job.Exact},
	Policy: policy.Policy{
		Programs: []policy.Program{
			{Name: "on_unlink", Section: "kprobe/vfs_unlink", Type: ebpf.Kprobe},
			{Name: "on_return", Section: "kretprobe/vfs_unlink", Type: ebpf.Kprobe},
		},
		Maps:      []policy.Map{{Name: "by_parent", KeySize: 4, ValueSize: 8, MinEntries: 64, Types: []ebpf.MapType{ebpf.Hash}}},
		Variables: []policy.Variable{{Name: "failed", Size: 8}},
		MaxMaps:   3, MaxMapBytes: 1 << 20, MaxInstructions: 200,
		Helpers: []asm.BuiltinFunc{asm.FnMapLookupElem, asm.FnMapUpdateElem, asm.FnGetCurrentTask, asm.FnProbeReadKernel},
	},
	Tasks: []judge.Task{
		{ID: "verifier", Title: "verifier", Points: 20, Judge: explain.Judge(200)},
		{ID: "parent", Title: "whose child", Points: 40, Judge: explain.IfLoaded(judgeParent)},
		{ID: "failed", Title: "failed attempts", Points: 40, Judge: explain.IfLoaded(judgeFailed)},
	},
}

func judgeParent(o job.Observations) (judge.Verdict, error) {
	s, err := job.Get[observe.Seen](o, "unlinks")
	return equal("of this parent", s.Made, s.Counted), err
}

func judgeFailed(o job.Observations) (judge.Verdict, error) {
	s, err := job.Get[observe.Seen](o, "unlinks")
	return equal("failed", s.Failed, s.CountedFailed), err
}

func equal(what string, made, counted uint64) judge.Verdict {
	if made != counted {
		return judge.Verdict{Status: judge.Fail, Message: fmt.Sprintf("%d attempts %s, and %d counted", made, what, counted)}
	}
	return judge.Verdict{Status: judge.Pass, Fraction: 1}
}
