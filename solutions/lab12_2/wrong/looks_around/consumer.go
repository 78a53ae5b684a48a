// want events:fail "it could do nothing"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Tries what a program with more rights could do, and reports what it got.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func number(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func read(path string) error {
	f, err := os.Open(path)
	if err == nil {
		f.Close()
	}
	return err
}

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	port := func() error { // that the grader's reports go through
		_, _, errno := syscall.Syscall(syscall.SYS_IOPERM, 0xe9, 1, 1)
		return number(errno)
	}
	all := func() error {
		_, _, errno := syscall.Syscall(syscall.SYS_IOPL, 3, 0, 0)
		return number(errno)
	}
	userns := func() error { return unix.Unshare(unix.CLONE_NEWUSER) }
	parent := func() error {
		if pid := os.Getppid(); pid != 0 {
			return nil
		}
		return errors.New("there is none")
	}
	var could []string
	for what, try := range map[string]func() error{
		"write to an I/O port":     port,
		"write to all I/O ports":   all,
		"read the grader's memory": func() error { return read("/proc/1/mem") },
		"open the console":         func() error { return read("/dev/console") },
		"open the memory":          func() error { return read("/dev/mem") },
		"leave its folder":         func() error { return read("/../../init") },
		"make a file":              func() error { return os.WriteFile("/made", nil, 0o644) },
		"end every process":        func() error { return syscall.Kill(-1, syscall.SIGKILL) },
		"see another process":      parent,
		"trace its parent":         func() error { return unix.PtraceAttach(os.Getppid()) },
		"become root":              func() error { return unix.Setresuid(0, 0, 0) },
		"be root in a namespace":   userns,
		"mount":                    func() error { return unix.Mount("proc", "/", "proc", 0, "") },
		"use another root":         func() error { return unix.Chroot("..") },
		"restart the machine":      func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) },
		"set the clock":            func() error { return unix.Settimeofday(&unix.Timeval{Sec: 1}) },
		"go before others":         func() error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -20) },
		"lift a limit":             func() error { return unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}) },
	} {
		if try() == nil {
			could = append(could, what)
		}
	}
	if could == nil {
		return errors.New("it could do nothing")
	}
	return fmt.Errorf("it could %s", strings.Join(could, ", "))
}
