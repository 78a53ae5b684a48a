// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/contents"
	"bpflab/harness/guest/netlab"
	"bpflab/harness/guest/printk"
	"bpflab/harness/job"
	"bpflab/harness/traffic"
)

// observeSteps runs the program on a few frames and looks after each what it has done.
func observeSteps(s *agent.Subject, pair *netlab.Pair, o job.Observations) error {
	log, err := printk.Open()
	if err != nil {
		return err
	}
	defer log.Close()
	c, err := loadAgain(s.Spec, StepVerdict)
	if err != nil {
		return err
	}
	defer c.Close()
	link, err := pair.Receiver.Attach(c.Programs[Program]) // else a test run waits for RCU
	if err != nil {
		return err
	}
	defer link.Close()
	in, err := arrival(pair.Receiver)
	if err != nil {
		return err
	}
	var steps []Step
	err = pair.Receiver.Do(func() error {
		before, err := readCounts(c)
		if err != nil {
			return err
		}
		for _, f := range StepFrames(s.Seed, s.Count) {
			one, err := step(c.Programs[Program], in, f, log)
			if err != nil {
				return err
			}
			after, err := readCounts(c)
			if err != nil {
				return err
			}
			one.Counted = changes(before, after)
			steps, before = append(steps, one), after
		}
		return nil
	})
	if err != nil {
		return err
	}
	maps, err := contents.Of(c)
	return errors.Join(err, o.SetSteps(steps, maps))
}

// step runs the program on one frame.
func step(prog *ebpf.Program, in func([]byte) *ebpf.RunOptions, f traffic.Frame, log *printk.Log) (one Step, err error) {
	began := printk.Moment()
	if one.Returned, err = prog.Run(in(f.Data)); err != nil {
		return one, fmt.Errorf("run on a frame (%s): %w", f.Kind, err)
	}
	one.Printed, err = log.Between(began, printk.Moment(), nil)
	return one, err
}

// changes says by how much counts have changed.
func changes(before, after []Count) (all []Count) {
	var was, is [256]Count
	for _, c := range before {
		was[c.Protocol] = c
	}
	for _, c := range after {
		is[c.Protocol] = c
	}
	for p := range is {
		c := Count{uint32(p), is[p].Packets - was[p].Packets, is[p].Bytes - was[p].Bytes}
		if c.Packets|c.Bytes != 0 {
			all = append(all, c)
		}
	}
	return all
}
