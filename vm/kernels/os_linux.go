// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// sysProcAttr ends a command with this process, however that ends.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// syncTree flushes the file system that dir is on: some hundred module files
// in one call instead of one fsync each.
func syncTree(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}
