// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

func init() { makeRoom = hugeRoom }

// hugeRoom has the heap's next allocation of some bytes get huge pages, which Go does not ask for: on
// a virtual machine the 32,768 page faults of small ones take four times as long as making the seed.
// Where the kernel or the heap will have it otherwise, making it takes that long.
func hugeRoom(bytes int) {
	room := make([]byte, bytes)
	_ = unix.Madvise(room, unix.MADV_HUGEPAGE)
	room = nil
	runtime.GC() // the range goes back to the heap, as it is advised now
}
