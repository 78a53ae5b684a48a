// SPDX-License-Identifier: Apache-2.0

// Package guest is the half of vm that runs inside: PID 1 of a guest, which reads a job,
// has it carried out and reports.
package guest

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Message is one line of JSON on the result channel.
type Message struct {
	Nonce string          `json:"nonce"` // of this run: a line without it is forged or stale
	Kind  Kind            `json:"kind"`
	Body  json.RawMessage `json:"body,omitempty"`
}

// Kind says what a message means.
type Kind string

const (
	Hello  Kind = "hello"  // the agent runs; the body is a Greeting
	Stage  Kind = "stage"  // a step begins; the body names it. It is the heartbeat too.
	Result Kind = "result" // what was observed
	Failed Kind = "failed" // the agent could not observe; the body says why
	Done   Kind = "done"   // nothing follows. Without it a run did not end well.
)

// Greeting is what a guest says of itself.
type Greeting struct {
	Release string `json:"release"` // uname -r
	CPUs    int    `json:"cpus"`
	// Paused is how long the pause lasted by the guest's clock, ns. See Pause.
	Paused int64 `json:"paused"`
}

// Pause is the longest that a pause may seem to have lasted to an exact guest, ns. It stops
// all its timers first, so that QEMU has none to move its clock on to; one whose clock was
// moved all the same would differ from others of its kind.
const Pause = 20_000

// Job is what a guest reads: the host's nonce, and a payload that vm does not know.
type Job struct {
	Nonce   string
	Payload []byte
}

// Encode puts the nonce on a line of its own and the payload behind it, as it is: a guest that
// counts instructions has none to spare for megabytes in quotes.
func (j Job) Encode() []byte { return append([]byte(j.Nonce+"\n"), j.Payload...) }

// DecodeJob reads what Encode wrote.
func DecodeJob(raw []byte) (Job, error) {
	nonce, payload, found := bytes.Cut(raw, []byte("\n"))
	if !found {
		return Job{}, fmt.Errorf("expected a line with a nonce, found %.80q", raw)
	}
	return Job{string(nonce), payload}, nil
}
