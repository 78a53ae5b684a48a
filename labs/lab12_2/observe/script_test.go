// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScript(t *testing.T) {
	for seed := range uint64(20) {
		s := NewScript(seed)
		assert.Equal(t, s, NewScript(seed), "the same seed, the same calls")
		assert.ElementsMatch(t, []uint64{sysGetpgid, sysGetsid}, []uint64{s.Number, s.Other})
		require.Len(t, s.Threads, Threads)
		for _, list := range s.Threads {
			require.Len(t, list, CallsEach)
		}
		require.Len(t, s.Timed, TimedCalls)
		for n, list := range append(s.Threads, s.Timed) { // drawn alike
			wanted, at, under, sign, low, another := 0, 0, 0, 0, 0, 0
			for _, c := range list {
				is := c.Number == s.Number && c.First >= s.Threshold
				assert.Equal(t, is, s.Interesting(c))
				count := func(n *int, is bool) {
					if is {
						*n++
					}
				}
				count(&wanted, is)
				count(&at, is && c.First == s.Threshold)
				count(&under, c.Number == s.Number && c.First == s.Threshold-1)
				count(&sign, is && c.First>>63 == 1)
				count(&low, c.Number == s.Number && c.First < s.Threshold && uint32(c.First) >= uint32(s.Threshold))
				count(&another, c.Number != s.Number && c.First >= s.Threshold)
			}
			for _, some := range []int{at, under, sign, low, another} {
				assert.Positive(t, some, "seed %d, list %d: at the threshold, just below, with the highest bit, by the low half, of another number", seed, n)
			}
			assert.Equal(t, wanted, s.Count(list, Emit))
			assert.Equal(t, len(list)-wanted, s.Count(list, Below)+s.Count(list, Other))
			assert.InDelta(t, 0.5, float64(wanted)/float64(len(list)), 0.2)
		}
		require.Len(t, s.Fast, fastCalls)
		assert.Equal(t, fastCalls, s.Count(s.Fast, Emit))
		require.Len(t, s.Bursts, 1+BurstRounds)
		assert.LessOrEqual(t, (s.Bursts[0][0]+s.Bursts[0][1])*ringRecord, 64<<10, "what the smallest ring holds")
		names := map[string]bool{}
		for thread := range 9 {
			for i := range TimedCalls {
				name := s.Name(thread, i)
				assert.LessOrEqual(t, len(name), 15, "what a thread's name has room for")
				names[name] = true
			}
		}
		assert.Len(t, names, 9*TimedCalls, "no name twice")
	}
}

// A reader that polls is late for some lone event, whatever its period. If the times between events were equal,
// one of 5 ms, of which they are a multiple, would be late for none in a fifth of all cases.
func TestLoneEventsFollowNoPeriod(t *testing.T) {
	const limit = time.Millisecond
	var scripts [200][]time.Duration
	for seed := range scripts {
		scripts[seed] = NewScript(uint64(seed)).Quiet
		require.Len(t, scripts[seed], LoneCalls)
		require.GreaterOrEqual(t, slices.Min(scripts[seed]), quietLeast)
		require.Less(t, slices.Max(scripts[seed]), 2*quietLeast)
	}
	for period := 2 * limit; period <= 50*limit; period += limit / 2 {
		lucky, all := 0, 0
		for _, quiet := range scripts {
			for phase := time.Duration(0); phase < period; phase += limit / 4 {
				all++
				late, now := false, phase
				for _, q := range quiet {
					now += q
					late = late || period-now%period > limit
				}
				if !late {
					lucky++
				}
			}
		}
		assert.Less(t, float64(lucky)/float64(all), 0.01, "%v", period)
	}
}
