// SPDX-License-Identifier: Apache-2.0

// Package observe is the guest's side of lab 12.2: it makes system calls that are drawn from the seed and
// says what events became of them. What is drawn, and what is observed, judges on the host know as well.
package observe

import (
	"bpflab/harness/job"
	"bpflab/labs/lab12_2/consumer"
)

const (
	Program   = "on_syscall" // of the submission
	LoneCalls = 8            // that come one by one
)

// What is observed, by the names that Observe gives it.
type (
	// Reader is what became of the consumer in a scene.
	Reader struct {
		Trouble string `json:"trouble,omitempty"` // why it is no longer there
		Said    string `json:"said,omitempty"`    // the beginning of what it printed
	}
	// Readers is what it takes to read an event, ns: not graded, but what the lab is about.
	Readers struct {
		Events  int     `json:"events"`
		Library float64 `json:"library"`  // by cilium/ebpf's reader
		InPlace float64 `json:"in_place"` // where it lies
	}
	// Timed is what calls take with each of four programs, one by one, and what the submission made
	// of those that were timed.
	Timed struct {
		Emit  job.Timings `json:"emit"`  // calls of interest
		Below job.Timings `json:"below"` // calls whose first argument is below the threshold
		Other job.Timings `json:"other"` // calls of another number
		// Between is the system calls by which the thread takes the next call's name and user: none that
		// the program is to look at.
		Between job.Timings `json:"between"`
		Amount
		// Foreign is bytes written and events dropped for the calls of another process after all of these.
		Foreign uint64 `json:"foreign"`
	}
	// Seen is what was reported of the seed's calls.
	Seen struct {
		Reader
		PID     uint32       `json:"pid"`     // of the process that made them
		Made    [][][2]int64 `json:"made"`    // when each was made: just before, and just after, ns
		Got     []byte       `json:"got"`     // as the consumer reported them, 32 bytes each
		Missed  uint64       `json:"missed"`  // calls for which the kernel did not run the program
		Foreign int          `json:"foreign"` // bytes written or dropped for calls of another process
	}
	// Amount is what became of calls of interest.
	Amount struct {
		Calls   uint64 `json:"calls"`
		Sent    uint64 `json:"sent"`             // put into the ring
		Got     uint64 `json:"got"`              // reported
		Strange uint64 `json:"strange"`          // of them, those that differ from what was sent, or are out of order
		Dropped uint64 `json:"dropped"`          // by the program's own count
		Missed  uint64 `json:"missed"`           // calls, of whatever interest, for which the kernel did not run it
		Lapped  bool   `json:"lapped,omitempty"` // the ring went round before it could be read
	}
	// Stall is a reader that stands still until the ring is full, and goes on.
	Stall struct {
		Reader
		Ring  int    `json:"ring"` // bytes
		Full  Amount `json:"full"`
		After Amount `json:"after"` // when it reads again
	}
	// Meanwhile is a reader of a ring that is written while it reads.
	Meanwhile struct {
		Reader
		Refilled Amount `json:"refilled"` // the ring is full, and filled again as soon as there is room
		// Unfinished is an event that is reserved and not finished for a while, and others that are sent behind it. The
		// grader sends the first and the last, the submission the rest. It is nil before Linux 5.14.
		Unfinished *Amount `json:"unfinished,omitempty"`
	}
	// Burst is two CPUs that send at once.
	Burst struct {
		Sent     Amount `json:"sent"`     // while there is room
		Calls    uint64 `json:"calls"`    // when there is none
		Dropped  uint64 `json:"dropped"`  // counted
		Missed   uint64 `json:"missed"`   // calls for which the kernel did not run the program
		Met      int    `json:"met"`      // rounds in which a program that is known to miscount did
		Overflow bool   `json:"overflow"` // the ring was full
		Took     uint64 `json:"took"`     // what a call takes then, ns
	}
	// Lone is events that come one by one, with nothing between.
	Lone struct {
		Reader
		Late    []int64 `json:"late"` // from each call until its report, ns; -1: never
		Idle    int64   `json:"idle"` // how long nothing happened, ns
		IdleCPU int64   `json:"idle_cpu"`
	}
	// Flow is as many events as the machine can make.
	Flow struct {
		Reader
		Amount
		Elapsed int64  `json:"elapsed"` // until the last was reported, without what the grader took to read along, ns
		CPU     int64  `json:"cpu"`     // that the consumer took, ns
		Wakes   uint64 `json:"wakes"`
	}
)

// MaxGot is how many bytes of reports are judged one by one. Of a consumer that reports
// twice what was made, no more need be known: it is wrong.
const MaxGot = 2 * Threads * CallsEach * consumer.Size

// MaxTook is how long a call that finds no room in the ring may take, ns, for two CPUs to be raced: each
// makes tens of thousands of them.
const MaxTook = 15_000
