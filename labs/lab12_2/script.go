// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"
	"math/rand/v2"
)

// script is what happens in the first scene: the truth, which only the seed knows.
type script struct {
	Number    uint64 // of the system call that is traced
	Threshold uint64
	Threads   [][]call
}

// call is one system call.
type call struct {
	Number, First uint64
}

const (
	threads     = 3
	callsEach   = 120
	firstUser   = 1001 // of the first thread; each has its own
	sysGetpgid  = 121
	sysGetsid   = 124
	otherNumber = sysGetpgid + sysGetsid // less the traced one: the other
)

// newScript makes calls from a seed. Half of them are of interest; the others miss it by the
// number or by the argument, some by a single bit.
func newScript(seed uint64) script {
	r := rand.New(rand.NewPCG(seed, 0))
	s := script{Number: [...]uint64{sysGetpgid, sysGetsid}[r.IntN(2)]}
	s.Threshold = 1<<33 + r.Uint64N(1<<40) // more than 32 bits
	for range threads {
		calls := make([]call, callsEach)
		for i := range calls {
			c := call{s.Number, s.Threshold + r.Uint64N(1<<40)}
			switch r.IntN(8) {
			case 0:
				c.First = s.Threshold
			case 1:
				c.First = s.Threshold - 1
			case 2:
				c.First = ^uint64(0) - r.Uint64N(1<<10) // at or above it, if it has no sign
			case 3:
				c.First = s.Threshold & 0xffffffff // below it, though not by its low half
			case 4:
				c.First = r.Uint64N(s.Threshold)
			case 5:
				c.Number = otherNumber - s.Number
			}
			calls[i] = c
		}
		s.Threads = append(s.Threads, calls)
	}
	return s
}

func (s script) interesting(c call) bool { return c.Number == s.Number && c.First >= s.Threshold }

// name is what a thread is called while it makes its ith call: so each event is one of its
// own.
func name(thread, i int) string { return fmt.Sprintf("thread%d-%04d", thread, i) }

// user is the one whose thread makes calls.
func user(thread int) uint32 { return uint32(firstUser + thread) }
