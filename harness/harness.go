// SPDX-License-Identifier: Apache-2.0

// Package harness says what a lab is made of, for the host: what a student writes, what it may contain and
// what it is graded on. Observing a running submission is the agent's part: see harness/guest/agent.
package harness

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/cilium/ebpf"

	"bpflab/harness/host/figure"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/policy"
	"bpflab/harness/host/trace"
	"bpflab/harness/job"
)

// Lab is one lab: what a student writes, what it may contain, and what it is graded on.
type Lab struct {
	Name    string // of its folder, e.g. "lab12_1"
	Title   string
	File    string // the BPF file that a student changes
	Program string // the Go program that a student changes, or empty
	// Imports are the packages that Program may import beside the standard library's: of this
	// module, and written for students.
	Imports []string
	Policy  policy.Policy
	Guests  []job.Guest
	Needs   Needs
	Tasks   []judge.Task // in teaching order

	// Inspect looks at the object without running it, on the host. It may be nil.
	Inspect func(*ebpf.CollectionSpec) (job.Observations, error)
	// Steps says what a run of a few frames or calls shows (job.Steps). It may be nil: then there is no such run.
	Steps func(job.Observations) (trace.Trace, error)
	// Figures draws what was observed, the one that says most first. It may be nil.
	Figures func([]judge.Case) []figure.Figure
	// Learned says, in a few lines with the figures of this submission, what one that passed has achieved. It may
	// be nil.
	Learned func([]judge.Case) []string
	// Starter has the files that students begin with, in the folder "starter". Those in the lab's own folder are
	// what a student edits.
	Starter fs.FS

	// Control is an object that is known to be sound: where a submission seems to have ended its guest,
	// another guest is to do well with this one. nil: such a guest is the grader's trouble.
	Control []byte
}

// Needs is what a lab needs of its guests. The zero value is a guest of 256 MiB with what all labs have:
// veth pairs, and programs at XDP and at system calls.
type Needs struct {
	Modules    []string // kernel modules, e.g. "sch_ingress"; those that they depend on come along
	Parameters []string // of the kernel's command line, e.g. "lsm=bpf"
	MemoryMiB  int      // zero: 256
	CPUs       int      // of job.SMP guests; zero: 2
	Oldest     string   // the first kernel version that has all that the lab uses, e.g. "5.15"; empty: any
}

// Files are the names of the files that a student changes.
func (l *Lab) Files() []string {
	if l.Program == "" {
		return []string{l.File}
	}
	return []string{l.File, l.Program}
}

// Find returns the lab of a name.
func Find(labs []*Lab, name string) (*Lab, error) {
	var names []string
	for _, l := range labs {
		if l.Name == name {
			return l, nil
		}
		names = append(names, l.Name)
	}
	return nil, fmt.Errorf("no lab is called %q: the labs are %s", name, strings.Join(names, ", "))
}
