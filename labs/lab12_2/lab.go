// SPDX-License-Identifier: Apache-2.0

// Package events is lab 12.2: the system calls of a process as events, without a copy too many.
package events

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness"
	"bpflab/harness/judge"
	"bpflab/harness/policy"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_2/anchors"
)

const (
	program = "on_syscall"

	processedBudget = 1000
	perWake         = 100  // events that a wake-up must be worth, under load
	lateTarget      = 1e6  // ns until a lone event has arrived
	loneCalls       = 5    // that come one by one
	idleTarget      = 0.01 // of a CPU, for a reader with nothing to read
	slack           = 0.05 // of the way from the starter to the reference
)

// Lab is the lab.
var Lab = &harness.Lab{
	Name:    "lab12_2",
	Title:   "Zero-copy event collection",
	File:    "events.bpf.c",
	Program: "consumer.go",
	Imports: []string{"bpflab/harness/consumer", "bpflab/harness/ring", "golang.org/x/sys/unix"},
	Kinds:   []harness.Kind{harness.Exact, harness.SMP},
	Policy: policy.Policy{
		Programs: []policy.Program{{Name: program, Section: "raw_tp/sys_enter", Type: ebpf.RawTracepoint}},
		Maps: []policy.Map{{
			Name: "events", Types: []ebpf.MapType{ebpf.RingBuf}, MinEntries: 64 << 10, MaxEntries: 512 << 10,
		}},
		Variables: []policy.Variable{
			{Name: "target_pid", Size: 4, Const: true}, {Name: "target_syscall", Size: 8, Const: true},
			{Name: "threshold", Size: 8, Const: true}, {Name: "dropped", Size: 8},
		},
		OtherMaps:   []ebpf.MapType{ebpf.Array, ebpf.PerCPUArray, ebpf.Hash, ebpf.PerCPUHash},
		MaxMaps:     8,
		MaxMapBytes: 4 << 20,
		Helpers: []asm.BuiltinFunc{
			asm.FnMapLookupElem,
			asm.FnGetCurrentPidTgid, asm.FnGetCurrentUidGid, asm.FnGetCurrentComm,
			asm.FnKtimeGetNs, asm.FnProbeReadKernel,
			asm.FnRingbufOutput, asm.FnRingbufReserve, asm.FnRingbufSubmit, asm.FnRingbufDiscard, asm.FnRingbufQuery,
		},
		MaxInstructions: 4096,
	},
	Figures: figures,
	Control: anchors.Control(),
	Tasks: []judge.Task{
		{ID: "verifier", Title: "verifier", Points: 10, Judge: verifier.Judge(processedBudget), Hints: hints["verifier"]},
		{ID: "events", Title: "every event, once", Points: 20, Judge: verifier.IfLoaded(judgeEvents), Hints: hints["events"], Symptoms: symptoms["events"]},
		{ID: "drops", Title: "sent + dropped = all", Points: 20, Needs: []string{"events"}, Judge: verifier.IfLoaded(judgeDrops), Hints: hints["drops"], Symptoms: symptoms["drops"]},
		{ID: "cost", Title: "cost of an event", Points: 15, Needs: []string{"events"}, Judge: verifier.IfLoaded(judgeCost), Hints: hints["cost"]},
		{ID: "overhead", Title: "cost of other calls", Points: 10, Needs: []string{"events"}, Judge: verifier.IfLoaded(judgeOverhead), Hints: hints["overhead"]},
		{ID: "wakeups", Title: fmt.Sprintf("≤ 1 wake-up in %d", perWake), Points: 10, Needs: []string{"events"}, Judge: verifier.IfLoaded(judgeWakeups), Hints: hints["wakeups"], Symptoms: symptoms["wakeups"]},
		{ID: "throughput", Title: "throughput, none lost", Points: 15, Needs: []string{"events", "drops"}, Judge: verifier.IfLoaded(judgeThroughput), Hints: hints["throughput"], Symptoms: symptoms["throughput"]},
	},
}

// What is observed, by the names that observe gives it.
type (
	// reader is what became of the consumer in a scene.
	reader struct {
		Trouble string `json:"trouble,omitempty"` // why it is no longer there
		Said    string `json:"said,omitempty"`    // the beginning of what it printed
	}
	// readers is what it takes to read an event, ns: not graded, but what the lab is about.
	readers struct {
		Events  int     `json:"events"`
		Library float64 `json:"library"`  // by cilium/ebpf's reader
		InPlace float64 `json:"in_place"` // where it lies
	}
	// timed is what calls take with each of four programs, one by one, and what the submission made
	// of those that were timed.
	timed struct {
		Emit  judge.Timings `json:"emit"`  // calls of interest
		Below judge.Timings `json:"below"` // calls whose first argument is below the threshold
		Other judge.Timings `json:"other"` // calls of another number
		// Between is the system calls by which the thread takes the next call's name and user: none that
		// the program is to look at.
		Between judge.Timings `json:"between"`
		amount
		// Foreign is bytes written and events dropped for the calls of another process after all of these.
		Foreign uint64 `json:"foreign"`
	}
	// seen is what was reported of the seed's calls.
	seen struct {
		reader
		PID     uint32       `json:"pid"`     // of the process that made them
		Made    [][][2]int64 `json:"made"`    // when each was made: just before, and just after, ns
		Got     []byte       `json:"got"`     // as the consumer reported them, 32 bytes each
		Missed  uint64       `json:"missed"`  // calls for which the kernel did not run the program
		Foreign int          `json:"foreign"` // bytes written or dropped for calls of another process
	}
	// amount is what became of calls of interest.
	amount struct {
		Calls   uint64 `json:"calls"`
		Sent    uint64 `json:"sent"`             // put into the ring
		Got     uint64 `json:"got"`              // reported
		Strange uint64 `json:"strange"`          // of them, those that differ from what was sent, or are out of order
		Dropped uint64 `json:"dropped"`          // by the program's own count
		Missed  uint64 `json:"missed"`           // calls, of whatever interest, for which the kernel did not run it
		Lapped  bool   `json:"lapped,omitempty"` // the ring went round before it could be read
	}
	// stall is a reader that stands still until the ring is full, and goes on.
	stall struct {
		reader
		Ring  int    `json:"ring"` // bytes
		Full  amount `json:"full"`
		After amount `json:"after"` // when it reads again
	}
	// burst is two CPUs that send at once.
	burst struct {
		Sent     amount `json:"sent"`     // while there is room
		Calls    uint64 `json:"calls"`    // when there is none
		Dropped  uint64 `json:"dropped"`  // counted
		Missed   uint64 `json:"missed"`   // calls for which the kernel did not run the program
		Met      int    `json:"met"`      // rounds in which a program that is known to miscount did
		Overflow bool   `json:"overflow"` // the ring was full
		Took     uint64 `json:"took"`     // what a call takes then, ns
	}
	// lone is events that come one by one, with nothing between.
	lone struct {
		reader
		Late    []int64 `json:"late"` // from each call until its report, ns; -1: never
		Idle    int64   `json:"idle"` // how long nothing happened, ns
		IdleCPU int64   `json:"idle_cpu"`
	}
	// flow is as many events as the machine can make.
	flow struct {
		reader
		amount
		Elapsed int64  `json:"elapsed"` // until the last was reported, without what the grader took to read along, ns
		CPU     int64  `json:"cpu"`     // that the consumer took, ns
		Wakes   uint64 `json:"wakes"`
	}
)
