// want events:fail "operation not permitted"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Would run code that changes itself: a virtual CPU translates each instruction anew, which takes
// thousands of times as long.
package main

import (
	"context"
	"syscall"
	"unsafe"

	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

func main() { consumer.Main(consume) }

func consume(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
	b, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return err
	}
	copy(b, []byte{0xc6, 0x05, 0, 0, 0, 0, 0x90, 0x90, 0x90, 0xeb, 0xf5}) // movb $0x90, 0(%rip); nop; nop; jmp back
	p := uintptr(unsafe.Pointer(&b[0]))
	pp := &p
	f := *(*func())(unsafe.Pointer(&pp))
	f()
	return nil
}
