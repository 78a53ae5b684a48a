// SPDX-License-Identifier: Apache-2.0

package events

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"bpflab/harness"
	"bpflab/harness/awake"
	"bpflab/harness/calls"
	"bpflab/harness/consumer"
	"bpflab/harness/judge"
	"bpflab/harness/ring"
	"bpflab/harness/tracing"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_2/anchors"
)

// maxGot is how many bytes of reports are judged one by one. Of a consumer that reports more
// than twice what was made, no more need be known.
const maxGot = 2 * threads * callsEach * consumer.Size

const (
	costCalls   = 64 * calls.Batch
	readerCalls = 4000
	flowCalls   = 320 * calls.Batch // more than the largest ring holds
	upReports   = 1                 // by which a consumer says that it is up; whatever else comes early is wrong
	afterCalls  = 7 * calls.Batch
	maxTries    = 5                      // of the first scene, where the kernel has missed a call
	patience    = 200 * time.Millisecond // with a consumer that reports nothing
	quiet       = 100 * time.Millisecond
	ringRecord  = ring.HeaderSize + 32 // bytes of a ring that an event takes
)

// alike is who makes calls that are all alike, and the calls.
var (
	alike     = calls.Thread{Name: "alike", UID: 1000}
	alikeCall = calls.Call{Number: sysGetpgid, First: 1 << 40}
)

func init() { Lab.Observe = observe }

func observe(ctx context.Context, s harness.Scene) (judge.Observations, error) {
	o := judge.Observations{}
	s.Stage("verifier")
	t := newScript(s.Seed)
	report, err := tracing.Verify(s.Spec, target(os.Getpid(), t.Number, t.Threshold))
	if err != nil {
		return nil, err
	}
	if s.Kind != harness.SMP {
		err = o.Set(verifier.Observed, report)
	}
	if err != nil || !report.Runs() {
		return o, err
	}
	switch s.Kind {
	case harness.Load:
		return o, nil
	case harness.SMP:
		s.Stage("two CPUs")
		b, err := observeBurst(s.Spec)
		return o, errors.Join(err, o.Set("burst", b))
	}

	s.Stage("cost")
	emit, err1 := observeCost(s.Spec, []calls.Call{alikeCall})
	other, err2 := observeCost(s.Spec, []calls.Call{
		{Number: sysGetsid, First: alikeCall.First}, {Number: sysGetsid, First: 0},
		{Number: sysGetsid, First: alikeCall.First}, {Number: sysGetpgid, First: alikeCall.First - 1},
	})
	two, err3 := observeReaders()
	if err := errors.Join(err1, err2, err3, o.Set("emit", emit), o.Set("other", other), o.Set("readers", two)); err != nil {
		return nil, err
	}
	// From here on the consumer runs beside the calls. The agent needs a thread for each.
	runtime.GOMAXPROCS(4)
	return o, observeConsumer(s, t, o)
}

// target is what a program is to trace.
func target(pid int, number, threshold uint64) map[string]any {
	return map[string]any{"target_pid": uint32(pid), "target_syscall": number, "threshold": threshold}
}

// observeCost measures the empty program, the starter, the reference and the submission. The
// ring is emptied after each batch: nothing waits, and nothing is lost.
func observeCost(spec *ebpf.CollectionSpec, list []calls.Call) (*judge.Cost, error) {
	naive, err1 := anchors.LoadNaive()
	reference, err2 := anchors.LoadReference()
	empty, err3 := anchors.LoadEmpty()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("read the anchors: %w", err)
	}
	c := &judge.Cost{}
	for _, p := range []struct { // the first warms up caches; its result is overwritten
		spec *ebpf.CollectionSpec
		cost *float64
	}{{empty, &c.Empty}, {empty, &c.Empty}, {naive, &c.Naive}, {reference, &c.Reference}, {spec, &c.Yours}} {
		var err error
		if *p.cost, err = tracing.Cost(p.spec, target(os.Getpid(), alikeCall.Number, alikeCall.First), alike, list, costCalls); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// observeReaders reads the same number of the reference's events by cilium/ebpf's reader, which
// copies each into a buffer, and where they lie. Both make an Event of each.
func observeReaders() (*readers, error) {
	reference, err := anchors.LoadReference()
	if err != nil {
		return nil, err
	}
	a, err := tracing.Attach(reference, target(os.Getpid(), alikeCall.Number, alikeCall.First))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	library, err := ringbuf.NewReader(a.Maps["events"])
	if err != nil {
		return nil, fmt.Errorf("open cilium/ebpf's reader: %w", err)
	}
	defer library.Close()
	defer awake.Alone()()
	const n = readerCalls / calls.Batch * calls.Batch
	list := []calls.Call{alikeCall}
	o := &readers{Events: n}
	events := make([]consumer.Event, n)
	var record ringbuf.Record
	for range 2 { // the first time warms up; its result is overwritten
		calls.Time(list, n, nil)
		began := calls.Now()
		for i := range events {
			if err := library.ReadInto(&record); err != nil {
				return nil, fmt.Errorf("read by cilium/ebpf's reader: %w", err)
			}
			events[i] = *consumer.Decode(record.RawSample)
		}
		o.Library = float64(calls.Now()-began) / n

		calls.Time(list, n, nil)
		began = calls.Now()
		position := a.Ring.Consumed()
		for i := range events {
			size, _ := a.Ring.Header(position)
			events[i] = *(*consumer.Event)(unsafe.Pointer(&a.Ring.Data[position&a.Ring.Mask+ring.HeaderSize]))
			position = ring.Next(position, size)
		}
		a.Ring.Release(position)
		o.InPlace = float64(calls.Now()-began) / n
	}
	return o, nil
}
