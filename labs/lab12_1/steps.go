// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"fmt"
	"strings"

	"bpflab/harness/host/trace"
	"bpflab/harness/job"
	"bpflab/harness/traffic"
	"bpflab/labs/lab12_1/observe"
)

// showSteps says of each frame of a run what the program made of it, and what it should have.
func showSteps(o job.Observations) (trace.Trace, error) {
	steps, err := job.GetSteps[observe.Step](o)
	if err != nil {
		return trace.Trace{}, err
	}
	frames := observe.StepFrames(job.StepsSeed, max(len(steps), 1))
	if len(steps) != len(frames) {
		return trace.Trace{}, fmt.Errorf("expected what became of %d frames, found %d", len(frames), len(steps))
	}
	t := trace.Trace{
		Settings: []string{fmt.Sprintf("verdict is %s", verdictName(observe.StepVerdict))},
		Columns:  []trace.Column{{Name: "frame"}, {Name: "bytes", Number: true}, {Name: "returned"}, {Name: "counted"}},
	}
	for i, step := range steps {
		f := frames[i]
		one := trace.Step{Printed: step.Printed}
		one.Cell(f.Kind, "")
		one.Cell(fmt.Sprint(len(f.Data)), "")
		one.Cell(verdictName(step.Returned), verdictName(observe.StepVerdict))
		one.Cell(shown(step.Counted), shouldCount(f))
		t.Steps = append(t.Steps, one)
	}
	return t, nil
}

func verdictName(v uint32) string {
	if name := verdictNames[v]; name != "" {
		return name
	}
	return fmt.Sprint(v)
}

// shouldCount says what a frame should add to the counts.
func shouldCount(f traffic.Frame) string {
	if f.Protocol == traffic.None {
		return shown(nil)
	}
	return shown([]observe.Count{{Protocol: uint32(f.Protocol), Packets: 1, Bytes: uint64(len(f.Data))}})
}

// shown says by how much counts have changed.
func shown(changes []observe.Count) string {
	if len(changes) == 0 {
		return "nothing"
	}
	var parts []string
	for _, c := range changes {
		packets := "packets"
		if c.Packets == 1 {
			packets = "packet"
		}
		parts = append(parts, fmt.Sprintf("%d: %d %s, %d bytes", c.Protocol, int64(c.Packets), packets, int64(c.Bytes)))
	}
	return strings.Join(parts, "; ")
}
