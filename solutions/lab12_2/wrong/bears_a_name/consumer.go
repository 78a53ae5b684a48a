// want events:fail "MiB of memory"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Takes memory under a name that the kernel, as it says so, shall be mistaken for.
package main

import (
	"context"
	"runtime"
	"syscall"
	"unsafe"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	runtime.LockOSThread()
	name := []byte("Kernel panic\x00\x00\x00\x00")
	syscall.RawSyscall(syscall.SYS_PRCTL, 15, uintptr(unsafe.Pointer(&name[0])), 0)
	for {
		b, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_ANON)
		if err != nil {
			return err
		}
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
	}
}
