// SPDX-License-Identifier: Apache-2.0

// Package lsm is a small lab that needs a kernel parameter and a kernel that has BPF LSM.
package lsm

import (
	"fmt"

	"github.com/cilium/ebpf"

	"bpflab/harness"
	"bpflab/harness/host/explain"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/policy"
	"bpflab/harness/job"
	"bpflab/runner/testdata/labs/lsm/observe"
)

// Lab is the lab.
var Lab = &harness.Lab{
	Name: "lab_lsm", Title: "No files for everybody", File: "create.bpf.c",
	Guests: []job.Guest{job.Exact},
	Needs:  harness.Needs{Parameters: []string{"lsm=bpf"}, Oldest: "5.11"},
	Policy: policy.Policy{
		Programs:        []policy.Program{{Name: "on_create", Section: "lsm.s/inode_create", Type: ebpf.LSM}},
		MaxInstructions: 100,
	},
	Tasks: []judge.Task{
		{ID: "verifier", Title: "verifier", Points: 50, Judge: explain.Judge(100)},
		{ID: "refused", Title: "what is refused", Points: 50, Judge: explain.IfLoaded(judgeRefused)},
	},
}

func judgeRefused(o job.Observations) (judge.Verdict, error) {
	modes, err := job.Get[[]observe.Seen](o, "files")
	for _, s := range modes {
		if want := s.Mode&2 != 0; s.Refused != want {
			return judge.Verdict{Status: judge.Fail, Message: fmt.Sprintf("a file with mode %#o: refused is %v, and should be %v", s.Mode, s.Refused, want)}, err
		}
	}
	return judge.Verdict{Status: judge.Pass, Fraction: 1}, err
}
