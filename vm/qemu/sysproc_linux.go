// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// sysProcAttr gives QEMU a process group of its own, so that a terminal's Ctrl-C reaches
// only bpflab, which then ends it, and ends QEMU with bpflab however bpflab ends.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// kill ends QEMU and what it may have started: where QEMU on PATH is a script around the
// real one, a survivor would hold the guest's channels open for ever.
func kill(p *os.Process) error {
	if err := syscall.Kill(-p.Pid, syscall.SIGKILL); err != nil {
		return os.ErrProcessDone
	}
	return nil
}

// cpuTime is how long a process has run, by the 14th and 15th word of its stat: ticks of 10 ms.
// The second word is a name in parentheses, which may hold anything.
func cpuTime(pid int) (ran time.Duration) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0 // it has ended
	}
	words := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	for _, i := range []int{11, 12} {
		if i < len(words) {
			ticks, _ := strconv.ParseInt(string(words[i]), 10, 64)
			ran += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return ran
}
