// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

func init() { makeRoom = hugeRoom }

// hugeRoom gives the heap's next allocation of this many bytes huge pages, which Go does not ask for. On a
// virtual machine the 32,768 page faults of small pages can take four times as long as making the seed.
// It is a hint: where the kernel or the heap ignores it, the seed is only made more slowly.
func hugeRoom(bytes int) {
	room := make([]byte, bytes)
	_ = unix.Madvise(room, unix.MADV_HUGEPAGE)
	room = nil
	runtime.GC() // gives the range back to the heap, which uses it again
}
