// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package qemu

import (
	"os"
	"syscall"
	"time"
)

func sysProcAttr() *syscall.SysProcAttr { return nil }

func kill(p *os.Process) error { return p.Kill() }

func cpuTime(int) time.Duration { return 0 }
