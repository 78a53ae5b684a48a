// SPDX-License-Identifier: Apache-2.0

// Package agent carries a job out in a guest: it has a lab observe a submission, or loads objects of no
// lab. It does not judge.
package agent

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf"

	"bpflab/harness/guest/profile"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// Observe looks at a submission as it runs. It runs as root, in a guest that lives for this alone.
type Observe func(context.Context, Subject) (job.Observations, error)

// Subject is a submission under observation.
type Subject struct {
	Guest   job.Guest
	Count   int                  // of steps that are to be shown, where Guest is job.Steps; 0: as the lab likes
	Seed    uint64               // job.PartScenes of the submission's seed: what all that it meets is drawn from
	Later   func() uint64        // job.PartLater, which is fetched from the host now: once
	Spec    *ebpf.CollectionSpec // the submission; copy it before changing it
	Program string               // the submission's Go program, a file; empty if there is none
	Stage   func(name string)    // to be called before each step

	spied   *[]job.Spied  // nil: nobody asks what programs see
	profile *profile.Copy // nil: nobody asks where the cost lies
}

// Carry carries a job out. labs are by name; later fetches what the job does not hold.
func Carry(ctx context.Context, labs map[string]Observe, payload []byte, later func() []byte, stage func(string)) (job.Observations, error) {
	j, err := job.Decode(payload)
	if err != nil {
		return nil, fmt.Errorf("decode the job: %w", err)
	}
	switch j.Guest {
	case job.Objects:
		return verify(j, verifier.LoadWhole, stage)
	case job.Types:
		return kernelTypes()
	}
	if j.Run != nil {
		return run(ctx, j.Program, *j.Run, stage)
	}
	if j.Lab == "" { // only asked whether a guest works
		return job.Observations{}, nil
	}
	observe := labs[j.Lab]
	if observe == nil {
		return nil, fmt.Errorf("no lab is called %q: this agent has %q", j.Lab, slices.Sorted(maps.Keys(labs)))
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(j.ELF))
	if err != nil {
		return nil, fmt.Errorf("read the submission: %w", err)
	}
	program, err := writeProgram(j.Program)
	if err != nil {
		return nil, fmt.Errorf("write the submission's program: %w", err)
	}
	s := Subject{
		Guest: j.Guest, Count: j.Count, Seed: j.Seed, Spec: spec, Program: program, Stage: stage,
		Later: func() uint64 {
			raw := later()
			defer clear(raw)
			return binary.LittleEndian.Uint64(append(raw, make([]byte, 8)...))
		},
	}
	if j.Spy {
		s.spied = new([]job.Spied)
	}
	if j.Profile {
		return profiled(ctx, observe, s)
	}
	o, err := observe(ctx, s)
	var rejection *verifier.Rejection
	if errors.As(err, &rejection) && rejection.Spec == spec { // and not one of the lab's own
		name := verifier.Observed
		if j.Guest == job.SMP {
			name = verifier.ObservedSMP
		}
		o = job.Observations{}
		err = o.Set(name, rejection.Report)
	}
	if err == nil && j.Spy {
		err = o.SetSpied(*s.spied)
	}
	return o, err
}

// profiled has a lab observe a copy of the submission that counts, and reports what it has counted in the scenes that are
// timed.
func profiled(ctx context.Context, observe Observe, s Subject) (o job.Observations, err error) {
	names := slices.Sorted(maps.Keys(s.Spec.Programs))
	if len(names) != 1 {
		return nil, fmt.Errorf("expected one program to profile, found %d: %q", len(names), names)
	}
	s.Stage("profile")
	o = job.Observations{}
	if s.profile, err = profile.New(s.Spec, names[0]); err != nil {
		return o, o.SetProfile(&job.Profile{Error: err.Error()})
	}
	s.Spec = s.profile.Object
	if _, err = observe(ctx, s); err != nil {
		return nil, err
	}
	return o, o.SetProfile(s.profile.Profile())
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

// spiedMap is the map in which a program that spies puts what it sees.
const spiedMap = "spied"

// Saw is to be called by a lab with each collection of the submission's at the end of each scene. It does nothing in a
// grade.
func (s *Subject) Saw(scene string, timed bool, c *ebpf.Collection) error {
	if s.profile != nil && timed {
		return s.profile.Count(scene, c)
	}
	if s.spied == nil {
		return nil
	}
	m := c.Maps[spiedMap]
	if m == nil {
		return fmt.Errorf("the submission has no map %q", spiedMap)
	}
	one := job.Spied{Scene: scene, Timed: timed}
	for i := range m.MaxEntries() {
		record, err := m.LookupBytes(i)
		if err != nil {
			return fmt.Errorf("read what the submission saw: %w", err)
		}
		one.Records = append(one.Records, record)
		if err := m.Put(i, make([]byte, len(record))); err != nil {
			return fmt.Errorf("forget what the submission saw: %w", err)
		}
	}
	*s.spied = append(*s.spied, one)
	return nil
}
