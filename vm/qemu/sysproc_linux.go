// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"os"
	"syscall"
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
