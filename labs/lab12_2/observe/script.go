// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Script is what happens in all scenes: the truth, which only the seed knows. Whatever a program can
// see of a call is drawn for each scene in the same way.
type Script struct {
	Number, Other uint64 // of the system call that is traced, and of the one that is not
	Threshold     uint64
	Foreign       uint32          // what the process that is not traced has for an ID beyond the agent's
	Threads       [][]Call        // of the first scene
	Timed         []Call          // of the scene that is timed
	Fast          []Call          // of interest, all of them, over and over: where there are many
	Bursts        [][2]int        // calls of each of two CPUs, round by round
	Quiet         []time.Duration // before each lone event; irregular, so that no reader that polls is in step with them
	Pauses        []time.Duration // for which a reader of a full ring runs until it is interrupted and the ring filled again

	names uint64   // from which the names of all calls follow
	users []uint32 // of the threads; the calls of other scenes take turns
}

// Call is one system call.
type Call struct {
	Number, First uint64
}

const (
	Threads     = 3
	CallsEach   = 120
	Batch       = 64 // calls after which the grader reads along
	TimedCalls  = 32 * Batch
	fastCalls   = Batch       // one volley
	FlowCalls   = 320 * Batch // more than the largest ring holds
	AfterCalls  = 7 * Batch   // after a reader has stood still
	ringRecord  = 40          // bytes of a ring that an event takes
	BurstRounds = 12
	sysGetpgid  = 121
	sysGetsid   = 124
	quietLeast  = 50 * time.Millisecond
	Refills     = 64 // of a ring that is full, while its reader reads
	pauseLeast  = 4 * time.Microsecond
	BehindCalls = 8 // behind an event that is not finished
)

// StallCalls is how many calls fill a ring and more.
func StallCalls(ring int) int { return (ring/ringRecord + 2000) / Batch * Batch }

// NewScript makes calls from a seed. Some half of them are of interest; the others miss it by the
// number or by the argument, some by a single bit.
func NewScript(seed uint64) Script {
	r := rand.New(rand.NewPCG(seed, 0))
	s := Script{Number: sysGetpgid, Other: sysGetsid, Threshold: 1<<33 + r.Uint64N(1<<40)} // more than 32 bits
	if r.IntN(2) == 0 {
		s.Number, s.Other = s.Other, s.Number
	}
	s.Foreign = 1 + r.Uint32N(10_000)
	s.names = r.Uint64()
	for range Threads + 5 {
		s.users = append(s.users, 1+r.Uint32N(60_000))
	}
	for range Threads {
		s.Threads = append(s.Threads, s.draw(r, CallsEach))
	}
	s.Timed = s.draw(r, TimedCalls)
	for len(s.Fast) < fastCalls {
		if c := s.draw(r, 1)[0]; s.Interesting(c) {
			s.Fast = append(s.Fast, c)
		}
	}
	for range 1 + BurstRounds { // the first is for a ring with room for all
		s.Bursts = append(s.Bursts, [2]int{450 + r.IntN(150), 450 + r.IntN(150)})
	}
	for i := range s.Bursts[1:] {
		for cpu := range 2 {
			s.Bursts[1+i][cpu] = 5000 + r.IntN(2000)
		}
	}
	for range LoneCalls {
		s.Quiet = append(s.Quiet, quietLeast+time.Duration(r.Int64N(int64(quietLeast))))
	}
	for range Refills {
		s.Pauses = append(s.Pauses, pauseLeast+time.Duration(r.Int64N(int64(2*pauseLeast))))
	}
	return s
}

func (s Script) draw(r *rand.Rand, n int) []Call {
	calls := make([]Call, n)
	for i := range calls {
		c := Call{s.Number, s.Threshold + r.Uint64N(1<<40)}
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
			c.Number = s.Other
		}
		calls[i] = c
	}
	return calls
}

// Interesting reports whether a call is to be sent as an event.
func (s Script) Interesting(c Call) bool { return c.Number == s.Number && c.First >= s.Threshold }

// The kinds of calls, as far as what they cost goes.
const (
	Emit  = iota // of interest
	Below        // the first argument is below the threshold
	Other        // another number
	CallKinds
)

// Kind is the kind of a call.
func (s Script) Kind(c Call) int {
	switch {
	case c.Number != s.Number:
		return Other
	case c.First < s.Threshold:
		return Below
	}
	return Emit
}

// Count is how many of a list are of a kind.
func (s Script) Count(list []Call, kind int) (n int) {
	for _, c := range list {
		if s.Kind(c) == kind {
			n++
		}
	}
	return n
}

// Name is what the nth thread is called while it makes its ith call: so each event is one of its
// own. The other scenes have threads of their own, from the numbers below on; which one it is cannot be
// told by the name. No two are equal: multiplying by an odd number loses nothing.
func (s Script) Name(thread, i int) string {
	n := uint64(thread)<<20 | uint64(i)
	return fmt.Sprintf("%010x", (n*0x9e3779b97f4a7c15+s.names)&(1<<40-1))
}

// User is the one whose thread makes calls.
func (s Script) User(n int) uint32 { return s.users[n%len(s.users)] }

// The threads of the scenes beyond the first.
const (
	timedThread = Threads + iota
	loneThread
	flowThread
	stallThread
	burstThread
	refillThread
	unfinishedThread
)
