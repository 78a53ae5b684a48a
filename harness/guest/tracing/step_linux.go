// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"bytes"
	"os"

	"golang.org/x/sys/unix"

	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/printk"
	"bpflab/harness/job"
)

// maxRecord is how many bytes of a record are kept.
const maxRecord = 64

// Step has a thread, or another process that is like it, make one call, and says what the program put into its ring
// and printed meanwhile. The thread makes no other call between the two ends of that: a program that takes no notice
// of which call it is would send that one as well.
func (p *Program) Step(by calls.Thread, c calls.Call, another bool, log *printk.Log) (o job.Called, err error) {
	var began, ended int64
	var maker int // the ID of the thread that makes the call
	one := func() (err error) {
		maker = unix.Gettid()
		began = printk.Moment()
		p.Drain()
		o.Began = calls.Now()
		if another {
			maker, err = calls.ByAnother(c, 1)
		} else {
			calls.Make(c)
		}
		o.Ended = calls.Now()
		p.Ring.Read(func(record []byte) {
			if o.Sent++; o.Sent == 1 {
				o.Size, o.Record = len(record), bytes.Clone(record[:min(len(record), maxRecord)])
			}
		})
		ended = printk.Moment()
		return err
	}
	o.Missed, err = p.Missed(func() error {
		return by.Do(func() error {
			if unix.Gettid() == os.Getpid() { // who takes the one for the other is to be found out
				return by.Do(one)
			}
			return one()
		})
	})
	if err != nil {
		return o, err
	}
	o.Printed, err = log.Between(began, ended, func(printer int) bool { return printer == maker })
	return o, err
}
