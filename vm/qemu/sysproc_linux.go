// SPDX-License-Identifier: Apache-2.0

package qemu

import "syscall"

// sysProcAttr gives QEMU a process group of its own, so that a terminal's Ctrl-C reaches
// only bpflab, which then ends it, and ends QEMU with bpflab however bpflab ends.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
