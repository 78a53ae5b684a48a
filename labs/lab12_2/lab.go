// SPDX-License-Identifier: Apache-2.0

// Package events is lab 12.2: the system calls of a process as events, without a copy too many.
package events

import (
	"embed"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness"
	"bpflab/harness/host/explain"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/policy"
	"bpflab/harness/job"
	"bpflab/labs/lab12_2/anchors"
	"bpflab/labs/lab12_2/observe"
)

const (
	processedBudget = 1000
	perWake         = 100  // events that a wake-up must be worth, under load
	lateTarget      = 1e6  // ns until a lone event has arrived
	idleTarget      = 0.01 // of a CPU, for a reader with nothing to read
	// Of the way from the starter to the reference: some 30 instructions an event. What clang 14 and 19 make of one
	// source differs by up to 9, and what one program costs with different seeds by up to 26 (Linux 7.3).
	slack = 0.05
)

//go:embed starter
var starterFiles embed.FS

// Lab is the lab.
var Lab = &harness.Lab{
	Name:    "lab12_2",
	Title:   "Zero-copy event collection",
	File:    "events.bpf.c",
	Program: "consumer.go",
	Imports: []string{"bpflab/labs/lab12_2/consumer", "bpflab/harness/guest/ring", "golang.org/x/sys/unix"},
	Guests:  []job.Guest{job.Exact, job.SMP},
	Policy: policy.Policy{
		Programs: []policy.Program{{Name: observe.Program, Section: "raw_tp/sys_enter", Type: ebpf.RawTracepoint}},
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
	Inspect: inspect,
	Steps:   showSteps,
	Figures: figures,
	Learned: learned,
	Starter: starterFiles,
	Control: anchors.Control(),
	Tasks: []judge.Task{
		{ID: "verifier", Title: "verifier", Points: 10, Judge: explain.Judge(processedBudget), Hints: hints["verifier"]},
		{ID: "events", Title: "every event, once", Points: 20, Judge: explain.IfLoaded(judgeEvents), Hints: hints["events"], Symptoms: symptoms["events"]},
		{ID: "drops", Title: "sent + dropped = all", Points: 20, Needs: []string{"events"}, Judge: explain.IfLoaded(judgeDrops), Hints: hints["drops"], Symptoms: symptoms["drops"]},
		{ID: "cost", Title: "cost of an event", Points: 15, Needs: []string{"events"}, Cost: true, Judge: explain.IfLoaded(judgeCost), Hints: hints["cost"]},
		{ID: "overhead", Title: "cost of other calls", Points: 10, Needs: []string{"events"}, Cost: true, Judge: explain.IfLoaded(judgeOverhead), Hints: hints["overhead"]},
		{ID: "wakeups", Title: fmt.Sprintf("≤ 1 wake-up in %d", perWake), Points: 10, Needs: []string{"events"}, Judge: explain.IfLoaded(judgeWakeups), Hints: hints["wakeups"], Symptoms: symptoms["wakeups"]},
		{ID: "throughput", Title: "throughput, none lost", Points: 15, Needs: []string{"events", "drops"}, Judge: explain.IfLoaded(judgeThroughput), Hints: hints["throughput"], Symptoms: symptoms["throughput"]},
	},
}
