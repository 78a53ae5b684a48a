// SPDX-License-Identifier: Apache-2.0

// Command agent is PID 1 of the guests that vm's tests boot. The kernel hands words like
// does=hang of its command line to it as environment.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"bpflab/vm/guest"
)

func main() {
	switch os.Getenv("does") {
	case "exit": // the kernel panics: it has lost its init
		os.Exit(7)
	case "hang":
		for { // an hour of an exact guest that halts passes at once
			time.Sleep(time.Hour)
		}
	}
	guest.Main(work)
}

// work says when it ran, to the nanosecond, and gives the payload back.
func work(_ context.Context, payload []byte, later func() []byte, stage func(string)) (any, error) {
	began := time.Now()
	var job struct{ Fail, Touch int } // Touch: MiB of memory to write to
	if err := json.Unmarshal(payload, &job); err != nil {
		return nil, err
	}
	if job.Fail != 0 {
		return nil, errors.New("asked to fail")
	}
	memory := make([]byte, job.Touch<<20)
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
	stage("worked")
	uptime, err := os.ReadFile("/proc/uptime")
	return map[string]any{
		"payload": json.RawMessage(payload),
		"wall":    began.UnixNano(),
		"took":    time.Since(began).Nanoseconds(),
		"uptime":  string(uptime),
		"later":   string(later()),
	}, err
}
