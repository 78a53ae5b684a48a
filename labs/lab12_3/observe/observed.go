// SPDX-License-Identifier: Apache-2.0

// Package observe is the guest's side of lab 12.3: it makes system calls that are drawn from the seed, and
// says what was sampled of them and how the controller steered. What is drawn, and what is observed, judges
// on the host know as well.
package observe

import "bpflab/harness/job"

const (
	Program = "on_syscall" // of the submission
	Plants  = 200          // that a controller has to hold
	Classes = 20           // of calls: their first argument
)

// What is observed, by the names that Observe gives it.
type (
	// Trial is what became of calls at one rate.
	Trial struct {
		Seen    uint64 `json:"seen"`    // by the program's own count
		Sampled uint64 `json:"sampled"` // by the program's own count
		Records uint64 `json:"records"` // in the ring
		Missed  uint64 `json:"missed"`  // calls for which the kernel did not run the program
		Strange uint64 `json:"strange"` // of the records, those that no call explains, or out of order
		// Got is the records of each class.
		Got []uint64 `json:"got"`
		// Steps is from one record's class to the next one's: how often it was how many classes further on,
		// round and round.
		Steps []uint64 `json:"steps,omitempty"`

		last uint64 // class of the last record, and 1
	}
	// Timed is what calls that are not sampled take with each of four programs, at the lowest rate,
	// and what the submission made of them.
	Timed struct {
		Skip  job.Timings `json:"skip"`
		Trial Trial       `json:"trial"`
	}
	// Counted is the script's trials, and what was counted of calls that are of no interest.
	Counted struct {
		Trials  []Trial `json:"trials"`
		Ring    int     `json:"ring"` // bytes
		Full    Trial   `json:"full"` // with a ring that nobody reads
		Foreign uint64  `json:"foreign"`
	}
	// Race is two CPUs that count at once.
	Race struct {
		Seen    uint64 `json:"seen"`
		Sampled uint64 `json:"sampled"`
		Records uint64 `json:"records"`
		Missed  uint64 `json:"missed"` // calls for which the kernel did not run the program
		Met     int    `json:"met"`    // rounds in which a program that is known to lose counts did
	}
	// Steered is what a controller made of simulated samplers.
	Steered struct {
		Trouble string `json:"trouble,omitempty"` // why it no longer answers
		Said    string `json:"said,omitempty"`    // the beginning of what it printed
		Plants  int    `json:"plants"`
		// The rates of each, one plant behind the other: two bytes each, of 65,536, less one.
		Rates []byte `json:"rates"`
	}
	// Live is what it made of the sampler itself.
	Live struct {
		Trouble   string     `json:"trouble,omitempty"`
		Said      string     `json:"said,omitempty"`
		Skip      float64    `json:"skip"`   // what a call costs that is not sampled, ns
		Sample    float64    `json:"sample"` // what a sampled one costs more, ns
		Intervals []Interval `json:"intervals"`
	}
	Interval struct {
		Part    int64  `json:"part"` // the rate, of 65,536
		Load    int64  `json:"load"` // that was asked for, events a second
		Length  int64  `json:"length"`
		Made    uint64 `json:"made"`    // calls
		Missed  uint64 `json:"missed"`  // calls for which the kernel did not run the program
		Events  uint64 `json:"events"`  // by the program's own count
		Sampled uint64 `json:"sampled"` // by the program's own count
		Records uint64 `json:"records"` // in the ring
		Busy    int64  `json:"busy"`    // that the sampler took, ns
	}
)

// Overhead is of a million.
func (i Interval) Overhead() int64 { return i.Busy * PPM / max(i.Length, 1) }
