// SPDX-License-Identifier: Apache-2.0

package measure

//go:generate go tool bpf2go -target bpfel -tags linux wakes wakes.bpf.c -- -mcpu=v3 -I/usr/include/x86_64-linux-gnu

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/link"
)

// Wakes counts how often a ring buffer has had its reader woken. Each is an interrupt to
// whoever was being traced; that the reader sleeps is not said. Other deferred work of the
// kernel counts too; in a guest that does nothing else there is hardly any.
type Wakes struct {
	objs wakesObjects
	link link.Link
}

// CountWakes begins to count.
func CountWakes() (*Wakes, error) {
	spec, err := loadWakes()
	if err != nil {
		return nil, fmt.Errorf("read the counter of wake-ups: %w", err)
	}
	w := &Wakes{}
	if err := spec.LoadAndAssign(&w.objs, nil); err != nil {
		return nil, fmt.Errorf("load the counter of wake-ups: %w", err)
	}
	w.link, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: "irq_work_entry", Program: w.objs.OnIrqWork})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("attach the counter of wake-ups: %w", err), w.objs.Close())
	}
	return w, nil
}

// Count is how often so far.
func (w *Wakes) Count() (uint64, error) {
	var n uint64
	if err := w.objs.Wakes.Get(&n); err != nil {
		return 0, fmt.Errorf("read the counter of wake-ups: %w", err)
	}
	return n, nil
}

// Close ends the count.
func (w *Wakes) Close() error { return errors.Join(w.link.Close(), w.objs.Close()) }
