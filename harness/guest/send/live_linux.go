// SPDX-License-Identifier: Apache-2.0

package send

//go:generate go tool bpf2go -target bpfel -tags linux generator generator.bpf.c -- -mcpu=v3 -I/usr/include/x86_64-linux-gnu

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/netlab"
	"bpflab/harness/traffic"
)

// live sends by the kernel's own test runs with live frames.
type live struct {
	end  *netlab.End
	objs generatorObjects
	held *netlab.Held // or each Send would wait for RCU twice, and a guest that does so halts
}

func newLive(end *netlab.End, frames []traffic.Frame) (_ *live, err error) {
	spec, err := loadGenerator()
	if err != nil {
		return nil, fmt.Errorf("read the generator: %w", err)
	}
	if err := spec.Variables["ifindex"].Set(uint32(end.Index)); err != nil {
		return nil, err
	}
	if err := spec.Variables["count"].Set(uint32(len(frames))); err != nil {
		return nil, err
	}
	l := &live{end: end}
	if err := spec.LoadAndAssign(&l.objs, nil); err != nil {
		return nil, fmt.Errorf("load the generator: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	for i, f := range frames {
		v := generatorFrame{Tail: int32(len(f.Data) - traffic.MaxFrame)}
		var head [8 * len(v.Head)]byte
		copy(head[:], f.Data)
		for w := range v.Head {
			v.Head[w] = binary.NativeEndian.Uint64(head[8*w:])
		}
		if err := l.objs.Frames.Put(uint32(i), v); err != nil {
			return nil, fmt.Errorf("give the generator frame %d: %w", i, err)
		}
	}
	if l.held, err = end.Hold(l.objs.Generate); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *live) Close() error {
	var err error
	if l.held != nil {
		err = l.held.Close()
	}
	return errors.Join(err, l.objs.Close())
}

// cold is how many batches find caches and pools of pages empty: they do not count.
const cold = traffic.Listed / traffic.Batch

func (l *live) Send(n int) (*Sent, error) {
	if err := errors.Join(l.objs.Next.Set(uint32(0)), l.objs.Sent.Set(uint32(0))); err != nil {
		return nil, fmt.Errorf("reset the generator: %w", err)
	}
	// Half of what a receiver polls for at a time, so that it is never left with more to do.
	var end unix.Timespec // of the last batch
	err := l.end.Do(func() error {
		_, err := l.objs.Generate.Run(&ebpf.RunOptions{
			Data: make([]byte, traffic.MaxFrame), Repeat: uint32(n), Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, BatchSize: traffic.Batch / 2,
		})
		return errors.Join(err, unix.ClockGettime(unix.CLOCK_MONOTONIC, &end))
	})
	if err != nil {
		return nil, fmt.Errorf("send live frames: %w", err)
	}
	var sent uint32
	if err := l.objs.Sent.Get(&sent); err != nil {
		return nil, err
	}
	s := &Sent{Frames: int(sent)}
	// The last batch ends with the run, and what the kernel takes to end that is part of it: if it were
	// left out, a program could do there what it has put off.
	var stamps []uint64
	for i := range min(sent/traffic.Batch, l.objs.Stamps.MaxEntries()) {
		var stamp uint64
		if err := l.objs.Stamps.Lookup(i, &stamp); err != nil {
			return nil, err
		}
		stamps = append(stamps, stamp)
	}
	stamps = append(stamps, uint64(end.Nano()))
	for i := cold; i+1 < len(stamps); i++ {
		s.Batches = append(s.Batches, stamps[i+1]-stamps[i])
	}
	return s, nil
}
