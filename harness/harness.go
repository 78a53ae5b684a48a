// SPDX-License-Identifier: Apache-2.0

// Package harness says what a lab is made of and carries a job out beside the kernel.
package harness

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"

	"bpflab/harness/figure"
	"bpflab/harness/judge"
	"bpflab/harness/policy"
	"bpflab/harness/verifier"
)

// Kind is the kind of guest that a lab is observed in.
type Kind string

const (
	Exact Kind = "exact" // one CPU, one instruction a nanosecond: costs are counted
	SMP   Kind = "smp"   // two CPUs, in turns: what only shows under concurrency
	Load  Kind = "load"  // an exact guest that does no more than load: what the first task needs

	// Verify is an exact guest that loads objects of no lab.
	Verify Kind = "verify"
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
	Kinds   []Kind
	Tasks   []judge.Task // in teaching order

	// Inspect looks at the object without running it, on the host. It may be nil.
	Inspect func(*ebpf.CollectionSpec) (judge.Observations, error)
	// Figures draws what was observed, the one that says most first. It may be nil.
	Figures func([]judge.Case) []figure.Figure

	// Control is an object that is known to be sound: where a submission seems to have ended its guest,
	// another guest is to do well with this one. nil: such a guest is the grader's trouble.
	Control []byte

	// Observe looks at the object as it runs. It runs as root beside the kernel; Linux only.
	Observe func(context.Context, Scene) (judge.Observations, error)
}

// Files are the names of the files that a student changes.
func (l *Lab) Files() []string {
	if l.Program == "" {
		return []string{l.File}
	}
	return []string{l.File, l.Program}
}

// Scene is what Observe is given.
type Scene struct {
	Kind    Kind
	Seed    uint64               // PartScenes of the submission's seed: what all that it meets is drawn from
	Later   func() uint64        // PartLater, which is fetched from the host now: once
	Spec    *ebpf.CollectionSpec // the submission; copy it before changing it
	Program string               // the submission's Go program, a file; empty if there is none
	Stage   func(name string)    // to be called before each step

	spy spy
}

// The parts of a submission's seed that guests are given.
const (
	PartScenes = "scenes"
	PartLater  = "later" // what the submission must not find in the guest's memory while its BPF program is loaded
)

// Job is what a guest is asked to do.
type Job struct {
	Lab     string `json:"lab"`
	Kind    Kind   `json:"kind"`
	Seed    uint64 `json:"seed"` // PartScenes of the submission's
	ELF     []byte `json:"elf"`
	Program []byte `json:"-"` // built, for a guest of the kind Exact

	// Objects are what a job of the kind Verify loads; all else is empty then. GetLoaded
	// returns what became of them.
	Objects [][]byte `json:"objects,omitempty"`

	// Spy has what the program saw in each scene reported, by its map of that name: see Spied.
	Spy bool `json:"spy,omitempty"`
}

// Encode puts the program behind a line with all else, as it is.
func (j Job) Encode() ([]byte, error) {
	line, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	return append(append(line, '\n'), j.Program...), nil
}

// decodeJob reads what Encode wrote.
func decodeJob(raw []byte) (j Job, err error) {
	line, program, _ := bytes.Cut(raw, []byte("\n"))
	err = json.Unmarshal(line, &j)
	j.Program = program
	clear(line) // a guest's memory can be read by the programs that run in it
	return j, err
}

// loadOnce loads an object and lets go of it. Only Linux can.
var loadOnce func(*ebpf.CollectionSpec) (verifier.Report, error)

// Carry carries a job out: it is what a guest's agent does. later fetches what the job does not hold.
func Carry(ctx context.Context, labs []*Lab, payload []byte, later func() []byte, stage func(string)) (judge.Observations, error) {
	job, err := decodeJob(payload)
	if err != nil {
		return nil, fmt.Errorf("decode the job: %w", err)
	}
	if job.Kind == Verify {
		if loadOnce == nil {
			return nil, errors.New("objects can only be loaded on Linux")
		}
		return verify(job.Objects, loadOnce, stage)
	}
	if job.Lab == "" { // only asked whether a guest works
		return judge.Observations{}, nil
	}
	lab, err := Find(labs, job.Lab)
	if err != nil {
		return nil, err
	}
	if lab.Observe == nil {
		return nil, fmt.Errorf("%s can only be observed on Linux", lab.Name)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(job.ELF))
	if err != nil {
		return nil, fmt.Errorf("read the submission: %w", err)
	}
	program, err := writeProgram(job.Program)
	if err != nil {
		return nil, fmt.Errorf("write the submission's program: %w", err)
	}
	s := Scene{
		Kind: job.Kind, Seed: job.Seed, Spec: spec, Program: program, Stage: stage, spy: spy{on: job.Spy, all: new([]Spied)},
		Later: func() uint64 {
			raw := later()
			defer clear(raw)
			return binary.LittleEndian.Uint64(append(raw, make([]byte, 8)...))
		},
	}
	o, err := lab.Observe(ctx, s)
	var rejection *verifier.Rejection
	if errors.As(err, &rejection) && rejection.Spec == spec { // and not one of the lab's own
		name := verifier.Observed
		if job.Kind == SMP {
			name = verifier.ObservedSMP
		}
		o = judge.Observations{}
		err = o.Set(name, rejection.Report)
	}
	if err == nil && job.Spy {
		err = o.Set(spied, s.spy.seen())
	}
	return o, err
}

// EncodeLater is what the host keeps back until a guest asks for it.
func EncodeLater(seed judge.Seed) []byte {
	return binary.LittleEndian.AppendUint64(nil, seed.Part(PartLater))
}

// writeProgram makes a file of a program, for as long as the guest lives. There is one for all that
// start it: QEMU translates anew what lies elsewhere in memory.
func writeProgram(program []byte) (string, error) {
	if len(program) == 0 {
		return "", nil
	}
	dir, err := os.MkdirTemp("", "submission-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "program")
	return path, os.WriteFile(path, program, 0o555)
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
	return nil, fmt.Errorf("no lab is called %q: there are %q", name, names)
}
