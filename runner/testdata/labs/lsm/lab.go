// SPDX-License-Identifier: Apache-2.0

// Package lsm is a small lab that needs a kernel parameter and a kernel that has BPF LSM.
package lsm

import (
	"fmt"

	"github.com/cilium/ebpf"

	"bpflab/harness"
	"bpflab/harness/explain"
	"bpflab/harness/job"
	"bpflab/harness/judge"
	"bpflab/harness/policy"
	"bpflab/runner/testdata/labs/lsm/observe"
)

// Lab is the lab.
var Lab = &harness.Lab{
	Name: "lab_lsm", Title: "No folders for everybody", File: "mkdir.bpf.c",
	Kinds: []job.Kind{job.Exact},
	Needs: harness.Needs{Parameters: []string{"lsm=bpf"}, Oldest: "5.11"},
	Policy: policy.Policy{
		Programs:        []policy.Program{{Name: "on_mkdir", Section: "lsm.s/inode_mkdir", Type: ebpf.LSM}},
		MaxInstructions: 100,
	},
	Tasks: []judge.Task{
		{ID: "verifier", Title: "verifier", Points: 50, Judge: explain.Judge(100)},
		{ID: "refused", Title: "what is refused", Points: 50, Judge: explain.IfLoaded(judgeRefused)},
	},
}

func judgeRefused(o job.Observations) (judge.Verdict, error) {
	modes, err := job.Get[[]observe.Seen](o, "mkdir")
	for _, s := range modes {
		if want := s.Mode&2 != 0; s.Refused != want {
			return judge.Verdict{Status: judge.Fail, Message: fmt.Sprintf("a folder with mode %#o: refused is %v, and should be %v", s.Mode, s.Refused, want)}, err
		}
	}
	return judge.Verdict{Status: judge.Pass, Fraction: 1}, err
}
