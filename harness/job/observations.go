// SPDX-License-Identifier: Apache-2.0

package job

import (
	"encoding/json"
	"fmt"

	"bpflab/harness/verifier"
)

// Observations are what was seen of one submission on one kernel: numbers and logs by
// name, no verdicts.
type Observations map[string]json.RawMessage

// Get decodes an observation. One that is not there is the grader's fault.
func Get[T any](o Observations, name string) (T, error) {
	var v T
	raw, ok := o[name]
	if !ok {
		return v, fmt.Errorf("nothing was observed of %q", name)
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("decode the observation %q: %w", name, err)
	}
	return v, nil
}

// Set adds an observation.
func (o Observations) Set(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the observation %q: %w", name, err)
	}
	o[name] = raw
	return nil
}

// Timing is what the runs of one program took, in ns of the guest's time each.
type Timing struct {
	Runs    int     `json:"runs"`
	Typical float64 `json:"typical"` // the first quartile: of a run that nothing came between
	Mean    float64 `json:"mean"`    // of all of them
}

// Timings are those of four programs in one boot, on the same packets, events or calls.
type Timings struct {
	Empty     Timing `json:"empty"`
	Naive     Timing `json:"naive"`
	Reference Timing `json:"reference"`
	Yours     Timing `json:"yours"`
}

// FrameRun is what came of a program's runs on one frame.
type FrameRun struct {
	Result  uint32 `json:"result"`            // that the program returned
	Cost    int64  `json:"cost"`              // instructions over an empty program: the median of its runs
	Worst   int64  `json:"worst"`             // the longest of them, in which a timer tick may be
	Round   int    `json:"-"`                 // which of them Cost is of
	Refused bool   `json:"refused,omitempty"` // the kernel does not run programs of this type on such a frame
}

// EventRuns is what came of a program that runs at events of the kernel.
type EventRuns struct {
	Count uint64  `json:"count"`
	Cost  float64 `json:"cost"` // instructions of a run over an empty program
}

// Loaded is what became of one program of a job of Objects.
type Loaded struct {
	verifier.Report
	Type string `json:"type,omitempty"` // of the program, such as "XDP"
	// Lacks is not empty for a program that cannot be loaded by itself: it says what is missing.
	Lacks string `json:"lacks,omitempty"`
	// NoTarget is not empty for one that is accepted though there is nothing to attach it to: it says what the kernel
	// has not.
	NoTarget string `json:"no_target,omitempty"`
	// Runs are what came of it on each of the job's Frames, in their order; if OnContext is set, of its only run, on a
	// context.
	Runs      []FrameRun `json:"runs,omitempty"`
	OnContext bool       `json:"on_context,omitempty"`
	// Events is what came of one that runs at events, where the job has Frames.
	Events *EventRuns `json:"events,omitempty"`
	// Profile says where the cost of the runs lies; nil if the job does not ask for it, or the program was not run.
	Profile *Profile `json:"profile,omitempty"`
	// NotRun is not empty for a program that is accepted and was not run on the job's Frames: it says why.
	NotRun string `json:"not_run,omitempty"`
	// Error is not empty where the kernel has judged nothing: it says what went wrong.
	Error string `json:"error,omitempty"`
}

// Object is what became of one object of a job of Objects.
type Object struct {
	Programs []Loaded `json:"programs"` // by name
	// Broken is not empty for an object that cannot be read, and why.
	Broken string `json:"broken,omitempty"`
	// Error is not empty where no kernel has seen the object: it says what went wrong.
	Error string `json:"error,omitempty"`
	// NoMaps are those of the job's Maps that the object does not have; NotFilled says what is wrong with the others.
	NoMaps    []string `json:"no_maps,omitempty"`
	NotFilled string   `json:"not_filled,omitempty"`
}

// objects is the observation of a job of Objects.
const objects = "objects"

// GetObjects returns what became of n objects of a job, in the job's order.
func GetObjects(o Observations, n int) ([]Object, error) {
	all, err := Get[[]Object](o, objects)
	if err == nil && len(all) != n {
		err = fmt.Errorf("%d objects were to be loaded, and %d reports came back", n, len(all))
	}
	for _, o := range all {
		for _, l := range o.Programs {
			if w := l.Whole; err == nil && w != nil && (w.Cut < 0 || w.At < 0 || w.At > len(w.Lines)) {
				err = fmt.Errorf("the log of %q has a gap outside of its %d lines", l.Program, len(w.Lines))
			}
		}
	}
	return all, err
}

// SetObjects adds what became of a job's objects; GetObjects reads it.
func (o Observations) SetObjects(all []Object) error { return o.Set(objects, all) }

const types = "types"

// GetTypes returns the BTF that a job of Types reports, compressed by gzip.
func GetTypes(o Observations) ([]byte, error) { return Get[[]byte](o, types) }

// SetTypes adds a kernel's BTF; GetTypes reads it.
func (o Observations) SetTypes(compressed []byte) error { return o.Set(types, compressed) }

// Spied is what a program saw in one scene: the records of its map "spied", an array of words, 0 for
// a record that was not written.
type Spied struct {
	Scene   string   `json:"scene"`
	Timed   bool     `json:"timed"` // what the program costs is measured in this scene
	Records [][]byte `json:"records"`
}

const spied = "spied"

// GetSpied returns what a job whose Spy is set has collected.
func GetSpied(o Observations) ([]Spied, error) { return Get[[]Spied](o, spied) }

// SetSpied adds what a program saw; GetSpied reads it.
func (o Observations) SetSpied(all []Spied) error { return o.Set(spied, all) }

// Ran is how a job's Run went.
type Ran struct {
	Exit   int    `json:"exit"`   // status; 128 and the signal's number for a program that a signal ended
	Output []byte `json:"output"` // standard output and error, as they came
	More   bool   `json:"more"`   // it printed more than that
	// TimedOut: it ran for longer than it may, and was ended.
	TimedOut bool `json:"timed_out,omitempty"`
}

const ran = "ran"

// GetRan returns how a job's Run went.
func GetRan(o Observations) (Ran, error) { return Get[Ran](o, ran) }

// SetRan adds how a job's Run went; GetRan reads it.
func (o Observations) SetRan(r Ran) error { return o.Set(ran, r) }

// Fate is how a submission ended the guests that it ran in, where a control run shows that these
// are sound. A task whose observations are missing for that reason fails.
type Fate struct {
	Stage   string `json:"stage"`   // what the guest was at
	Trouble string `json:"trouble"` // what was seen
}

const fate = "fate"

// SetFate says that a submission ended its guest.
func (o Observations) SetFate(f Fate) error { return o.Set(fate, f) }

// ForgetFate takes away what only the host may say.
func (o Observations) ForgetFate() { delete(o, fate) }

// GetFate returns how a submission ended its guest; an error if it did not.
func (o Observations) GetFate() (Fate, error) { return Get[Fate](o, fate) }
