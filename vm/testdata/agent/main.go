// SPDX-License-Identifier: Apache-2.0

// Command agent is PID 1 of the guests that vm's tests boot. The kernel hands words like
// does=hang of its command line to it as environment.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"bpflab/harness/awake"
	"bpflab/vm/guest"
	"bpflab/vm/qemu"
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
	if os.Getenv(qemu.Awake) != "" {
		if err := awake.Start(); err != nil {
			panic(err)
		}
	}
	guest.Main(work)
}

// work says when it ran, to the nanosecond, and gives the payload back.
func work(_ context.Context, payload []byte, stage func(string)) (any, error) {
	began := time.Now()
	var job struct{ Fail, Touch, Sleep int } // MiB of memory to write to, ms to sleep
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
	halted, err1 := idle()
	time.Sleep(time.Duration(job.Sleep) * time.Millisecond)
	now, err2 := idle()
	stage("worked")
	uptime, err3 := os.ReadFile("/proc/uptime")
	return map[string]any{
		"payload": json.RawMessage(payload),
		"wall":    began.UnixNano(),
		"took":    time.Since(began).Nanoseconds(),
		"uptime":  string(uptime),
		"halted":  now - halted, // of the time slept, 10 ms
	}, errors.Join(err1, err2, err3)
}

// idle is how long the CPUs have had nothing to do and halted, in units of 10 ms.
func idle() (n int, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	var user, nice, system int
	_, err = fmt.Sscanf(string(stat), "cpu %d %d %d %d", &user, &nice, &system, &n)
	return n, err
}
