// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"
	"math/rand/v2"
)

// script is what happens in all scenes: the truth, which only the seed knows. Whatever a program can
// see of a call is drawn for each scene in the same way.
type script struct {
	Number, Other uint64 // of the system call that is traced, and of the one that is not
	Threshold     uint64
	Foreign       uint32   // what the process that is not traced has for an ID beyond the agent's
	Threads       [][]call // of the first scene
	Timed         []call   // of the scene that is timed
	Fast          []call   // of interest, all of them, over and over: where there are many
	Bursts        []burstRound

	names uint64   // from which the names of all calls follow
	users []uint32 // of the threads; the calls of other scenes take turns
}

// call is one system call.
type call struct {
	Number, First uint64
}

// burstRound is how many calls each of two CPUs makes at once.
type burstRound [2]int

const (
	threads     = 3
	callsEach   = 120
	batch       = 64 // calls after which the grader reads along
	timedCalls  = 32 * batch
	fastCalls   = batch       // one volley
	flowCalls   = 320 * batch // more than the largest ring holds
	afterCalls  = 7 * batch   // after a reader has stood still
	ringRecord  = 40          // bytes of a ring that an event takes
	burstRounds = 12
	sysGetpgid  = 121
	sysGetsid   = 124
)

// stallCalls is how many calls fill a ring and more.
func stallCalls(ring int) int { return (ring/ringRecord + 2000) / batch * batch }

// newScript makes calls from a seed. Some half of them are of interest; the others miss it by the
// number or by the argument, some by a single bit.
func newScript(seed uint64) script {
	r := rand.New(rand.NewPCG(seed, 0))
	s := script{Number: sysGetpgid, Other: sysGetsid, Threshold: 1<<33 + r.Uint64N(1<<40)} // more than 32 bits
	if r.IntN(2) == 0 {
		s.Number, s.Other = s.Other, s.Number
	}
	s.Foreign = 1 + r.Uint32N(10_000)
	s.names = r.Uint64()
	for range threads + 5 {
		s.users = append(s.users, 1+r.Uint32N(60_000))
	}
	for range threads {
		s.Threads = append(s.Threads, s.draw(r, callsEach))
	}
	s.Timed = s.draw(r, timedCalls)
	for len(s.Fast) < fastCalls {
		if c := s.draw(r, 1)[0]; s.interesting(c) {
			s.Fast = append(s.Fast, c)
		}
	}
	for range 1 + burstRounds { // the first is for a ring with room for all
		s.Bursts = append(s.Bursts, burstRound{450 + r.IntN(150), 450 + r.IntN(150)})
	}
	for i := range s.Bursts[1:] {
		for cpu := range 2 {
			s.Bursts[1+i][cpu] = 5000 + r.IntN(2000)
		}
	}
	return s
}

func (s script) draw(r *rand.Rand, n int) []call {
	calls := make([]call, n)
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
			c.Number = s.Other
		}
		calls[i] = c
	}
	return calls
}

func (s script) interesting(c call) bool { return c.Number == s.Number && c.First >= s.Threshold }

// The kinds of calls, as far as what they cost goes.
const (
	emit  = iota // of interest
	below        // the first argument is below the threshold
	other        // another number
	callKinds
)

func (s script) kind(c call) int {
	switch {
	case c.Number != s.Number:
		return other
	case c.First < s.Threshold:
		return below
	}
	return emit
}

// count is how many of a list are of a kind.
func (s script) count(list []call, kind int) (n int) {
	for _, c := range list {
		if s.kind(c) == kind {
			n++
		}
	}
	return n
}

// name is what the nth thread is called while it makes its ith call: so each event is one of its
// own. The other scenes have threads of their own, from the numbers below on; which one it is cannot be
// told by the name. No two are equal: multiplying by an odd number loses nothing.
func (s script) name(thread, i int) string {
	n := uint64(thread)<<20 | uint64(i)
	return fmt.Sprintf("%010x", (n*0x9e3779b97f4a7c15+s.names)&(1<<40-1))
}

// user is the one whose thread makes calls.
func (s script) user(n int) uint32 { return s.users[n%len(s.users)] }

// The threads of the scenes beyond the first.
const (
	timedThread = threads + iota
	loneThread
	flowThread
	stallThread
	burstThread
)
