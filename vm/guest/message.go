// SPDX-License-Identifier: Apache-2.0

// Package guest is the half of vm that runs inside: PID 1 of a guest, which reads a job,
// has it carried out and reports.
package guest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// Message is one line of JSON on the result channel.
type Message struct {
	Nonce string          `json:"nonce,omitempty"` // of this run, in the greeting alone: see Job
	Type  MessageType     `json:"kind"`
	Body  json.RawMessage `json:"body,omitempty"`
}

// MessageType says what a message means.
type MessageType string

const (
	Hello  MessageType = "hello"  // the agent runs; the body is a Greeting
	Stage  MessageType = "stage"  // a step begins; the body names it. It is the heartbeat too.
	Result MessageType = "result" // what was observed
	Failed MessageType = "failed" // the agent could not observe; the body says why
	Done   MessageType = "done"   // nothing follows. Without it a run did not end well.
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

// Job is what a guest reads: the host's nonce, and what vm does not know.
//
// The nonce proves that the guest that greets has read this job and is not one left over. It is
// in the greeting and nowhere else: the agent wipes it before it starts to work, since a BPF
// program may read all of a guest's memory. Later messages need no proof. They come through an
// I/O port, and only the agent has permission for it.
type Job struct {
	Nonce   string
	Payload []byte
	Later   []byte // stays on the host until the agent asks for it
}

// Encode puts the nonce and the length of Later on a line of their own and the rest behind it, as
// it is: a guest that counts instructions has none to spare for megabytes in quotes.
func (j Job) Encode() []byte {
	return slices.Concat(fmt.Appendf(nil, "%s %d\n", j.Nonce, len(j.Later)), j.Payload, j.Later)
}

// header reads the first line of what Encode wrote.
func header(line []byte) (nonce []byte, later int, err error) {
	nonce, length, found := bytes.Cut(line, []byte(" "))
	if found {
		later, err = strconv.Atoi(string(length))
	}
	if !found || err != nil || later < 0 {
		return nil, 0, fmt.Errorf("expected a line with a nonce and a length, found %.80q", line)
	}
	return nonce, later, nil
}

// DecodeJob reads what Encode wrote.
func DecodeJob(raw []byte) (Job, error) {
	line, rest, _ := bytes.Cut(raw, []byte("\n"))
	nonce, later, err := header(line)
	if err == nil && later > len(rest) {
		err = fmt.Errorf("expected %d bytes for later, found %d in all", later, len(rest))
	}
	if err != nil {
		return Job{}, err
	}
	at := len(rest) - later
	return Job{string(nonce), rest[:at], rest[at:]}, nil
}
