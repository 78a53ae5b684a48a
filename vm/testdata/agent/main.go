// SPDX-License-Identifier: Apache-2.0

// Command agent is PID 1 of the guests that vm's tests boot. The kernel hands words like
// does=hang of its command line to it as environment.
package main

import (
	"bytes"
	"context"
	"debug/elf"
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
	var job struct {
		Fail, Touch int      // Touch: MiB of memory to write to
		Hold        int      // millions of loads from it, for the host to look at what it takes
		Find        [][]byte // what to look for in all memory, before and after the rest of the job is fetched; each byte is masked
	}
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
	for range job.Hold * 1_000_000 {
		held += int(memory[0])
	}
	var found [2][]int
	if job.Find != nil {
		var err error
		if found[0], err = find(job.Find, stage); err != nil {
			return nil, err
		}
	}
	rest := later()
	if job.Find != nil {
		var err error
		if found[1], err = find(job.Find, stage); err != nil {
			return nil, err
		}
	}
	uptime, err := os.ReadFile("/proc/uptime")
	return map[string]any{
		"payload": json.RawMessage(payload),
		"wall":    began.UnixNano(),
		"took":    time.Since(began).Nanoseconds(),
		"uptime":  string(uptime),
		"later":   string(rest),
		"found":   found,
	}, err
}

var held int

// mask is what the bytes to look for are masked with: else the question would be found.
const mask = 0xa5

// find counts how often each of some words is in the guest's memory.
func find(masked [][]byte, stage func(string)) (n []int, err error) {
	core, err := elf.Open("/proc/kcore")
	if err != nil {
		return nil, err
	}
	defer core.Close()
	const longest = 64
	n = make([]int, len(masked))
	buf := make([]byte, 1<<20+longest)
	for _, p := range core.Progs {
		// The direct map alone: the kernel's other addresses are of the same memory.
		if p.Type != elf.PT_LOAD || p.Paddr == ^uint64(0) || p.Vaddr-p.Paddr < 1<<63 || p.Filesz > 1<<32 {
			continue
		}
		for at := uint64(0); at < p.Filesz; at += 1 << 20 {
			stage("look")
			have, err := p.ReadAt(buf[:min(uint64(len(buf)), p.Filesz-at)], int64(at))
			if err != nil && have == 0 {
				continue // a hole
			}
			for i, word := range masked {
				n[i] += count(buf[:have], word)
			}
		}
	}
	return n, nil
}

func count(in, masked []byte) (n int) {
	first := masked[0] ^ mask
	for {
		next := bytes.IndexByte(in, first)
		if next < 0 || next+len(masked) > len(in) {
			return n
		}
		in = in[next:]
		k := 1
		for k < len(masked) && in[k]^mask == masked[k] {
			k++
		}
		if k == len(masked) {
			n++
		}
		in = in[1:]
	}
}
