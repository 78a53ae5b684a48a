// SPDX-License-Identifier: Apache-2.0

// Package job is what the host and a guest say to each other: what a guest is asked to do, the part of
// the submission's seed that it needs for that, and what was observed.
package job

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"time"
)

// Guest is the guest that a job is done in, and how much of the job is done there.
type Guest string

const (
	Exact    Guest = "exact"  // one CPU, one instruction a nanosecond: costs are counted
	SMP      Guest = "smp"    // two CPUs, or as many as the lab needs, in turns: what only shows under concurrency
	LoadOnly Guest = "load"   // an exact guest that does no more than load a submission: what the first task needs
	Objects  Guest = "verify" // an exact guest that loads the programs of objects of no lab, each by itself
	Types    Guest = "types"  // an exact guest that reports its kernel's BTF
	Steps    Guest = "steps"  // an exact guest that runs a submission on a few frames or calls, and shows each
)

// Job is what a guest is asked to do.
type Job struct {
	Lab     string `json:"lab"`
	Guest   Guest  `json:"kind"`
	Seed    uint64 `json:"seed"` // PartScenes of the submission's
	ELF     []byte `json:"elf"`
	Program []byte `json:"-"` // built, for an Exact guest

	// Count is how many frames or calls a job whose Guest is Steps shows; 0: as many as the lab likes.
	Count int `json:"count,omitempty"`

	// Objects are what a job whose Guest is Objects loads; of what stands above all is empty then. GetObjects returns what
	// became of them.
	Objects [][]byte `json:"objects,omitempty"`
	// Config is the kernel's configuration, as in /boot/config-RELEASE: for objects that ask for its values.
	Config []byte `json:"config,omitempty"`

	// Frames are what the programs of Objects are run on, to find what a run costs; none: they are only loaded.
	Frames [][]byte `json:"frames,omitempty"`

	// Context is what those programs of Objects are run on that take one; nil: one of zeros, or none.
	Context []byte `json:"context,omitempty"`
	// Maps are what maps of Objects hold before programs run, by name: see contents.Fill.
	Maps map[string][]Entry `json:"maps,omitempty"`

	// Profile has counted where the cost of the runs on Frames, or at events, lies; of a lab's submission in an Exact
	// guest, that of the scenes which are timed. GetProfile returns the latter, and nothing else is observed.
	Profile bool `json:"profile,omitempty"`

	// Whole has the whole log of each rejected program of Objects reported, as far as a guest may report: see
	// verifier.Report.
	Whole bool `json:"whole,omitempty"`

	// Run has the Program run as root, with no submission: no lab observes it. GetRan returns how it went.
	Run *Run `json:"run,omitempty"`

	// Spy has what the program saw in each scene reported, by its map of that name: see Spied.
	Spy bool `json:"spy,omitempty"`
}

// Run says how a program is run.
type Run struct {
	Args []string `json:"args,omitempty"` // without the program's name
	Env  []string `json:"env,omitempty"`
	// Timeout is how long the program may run, in the guest's time.
	Timeout time.Duration `json:"timeout"`
}

// Encode puts the program behind a line with all else, as it is.
func (j Job) Encode() ([]byte, error) {
	line, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	return append(append(line, '\n'), j.Program...), nil
}

// Decode reads what Encode wrote.
func Decode(raw []byte) (j Job, err error) {
	line, program, _ := bytes.Cut(raw, []byte("\n"))
	err = json.Unmarshal(line, &j)
	j.Program = program
	clear(line) // a guest's memory can be read by the programs that run in it
	return j, err
}

// The parts of a submission's seed that guests are given.
const (
	PartScenes = "scenes"
	PartLater  = "later" // what the submission must not find in the guest's memory while its BPF program is loaded
)

// EncodeLater is what the host keeps back until a guest asks for it.
func EncodeLater(seed Seed) []byte {
	return binary.LittleEndian.AppendUint64(nil, seed.Part(PartLater))
}
