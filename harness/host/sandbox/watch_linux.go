// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// watch looks after a session, of which session is the first process, until
// stopped is closed, and ends it by kill once it uses more than it may: it
// returns what. The kernel's limits are for each process, and know no time of
// the wall.
func watch(stopped <-chan struct{}, session int, l Limits, kill func()) Resource {
	began := time.Now()
	const longest = 100 * time.Millisecond
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, longest) {
		select {
		case <-stopped:
			return ""
		case <-time.After(pause):
		}
		memory, cpu := use(session)
		var over Resource
		switch {
		case l.Memory > 0 && memory > l.Memory:
			over = Memory
		case l.CPU > 0 && cpu > l.CPU:
			over = CPU
		case l.Time > 0 && time.Since(began) > l.Time:
			over = Time
		default:
			continue
		}
		kill()
		return over
	}
}

// Where /proc/PID/stat has what is summed, counted behind the name, which may hold anything.
const (
	sessionField   = 3
	userField      = 11
	systemField    = 12
	oldUserField   = 13 // of children that have ended
	oldSystemField = 14
	residentField  = 21
)

// use is the memory and CPU time of a session's processes.
func use(session int) (memory int64, cpu time.Duration) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, 0
	}
	const tick = time.Second / 100 // USER_HZ
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
		number := func(i int) int64 {
			if i >= len(fields) {
				return 0
			}
			n, _ := strconv.ParseInt(string(fields[i]), 10, 64)
			return n
		}
		if number(sessionField) != int64(session) {
			continue
		}
		memory += number(residentField) * int64(syscall.Getpagesize())
		for _, i := range []int{userField, systemField, oldUserField, oldSystemField} {
			cpu += time.Duration(number(i)) * tick
		}
	}
	return memory, cpu
}
