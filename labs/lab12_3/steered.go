// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"fmt"
	"slices"

	"bpflab/harness/job"
	"bpflab/labs/lab12_3/observe"
)

// steered is what the intervals have in common in which a controller was wrong.
type steered struct {
	high, low int // intervals, by their overhead
	plants    []wrongPlant
}

// wrongPlant is in what way a controller was wrong with the nth plant, and what there is to see of that.
type wrongPlant struct {
	*observe.Plant
	n         int
	parts     []int64
	way, text string
}

// steeredIn lets the plants pass once more at the rates that a controller has chosen.
func steeredIn(o job.Observations, s observe.Steered) (all steered, err error) {
	seed, err := job.GetSeed(o)
	if err == nil && (s.Plants != observe.Plants || len(s.Rates) != 2*s.Plants*observe.Intervals) {
		err = fmt.Errorf("expected %d plants of %d intervals, found %d and %d bytes", observe.Plants, observe.Intervals, s.Plants, len(s.Rates))
	}
	if err != nil {
		return all, err
	}
	for n := range s.Plants {
		p, parts := observe.NewPlant(seed.Part(job.PartLater), n), ratesOf(s, n)
		if misses, _ := p.Misses(parts); misses > 0 {
			all.plant(n, p, parts)
		}
	}
	return all, nil
}

// miss is an interval that was wrong, at an overhead.
func (s *steered) miss(overhead int64) {
	if overhead > observe.TargetPPM {
		s.high++
	} else {
		s.low++
	}
}

// plant is the nth one, which was not held at its rates. Only the first step that was wrong says how: the others may
// follow from it.
func (s *steered) plant(n int, p *observe.Plant, parts []int64) {
	told := false
	for from := 0; from < len(parts); from += observe.StepIntervals {
		w := window{Plant: p, parts: parts, from: from, asked: asked(p, from)}
		wrong := false
		for _, k := range w.asked {
			if w.side(k) != 0 {
				wrong = true
				s.miss(p.Overhead(k, parts[k]))
			}
		}
		if !wrong || told {
			continue
		}
		told = true
		way, text := w.way()
		text = fmt.Sprintf("in plant %d, at %d events a second, %s", n, p.Loads[from/observe.StepIntervals], text)
		s.plants = append(s.plants, wrongPlant{p, n, parts, way, text})
	}
}

// finding says in a word what is wrong, if it is the same everywhere, or nearly so.
func (s *steered) finding() string {
	ways := map[string]int{}
	for _, p := range s.plants {
		if ways[p.way]++; float64(ways[p.way]) >= alike*float64(len(s.plants)) {
			return p.way
		}
	}
	switch {
	case s.low == 0 && s.high > 0:
		return "high"
	case s.high == 0 && s.low > 0:
		return "low"
	}
	return ""
}

// example is the first plant, if possible one that is wrong as finding says. There is one at least.
func (s *steered) example() wrongPlant {
	way := s.finding()
	return s.plants[max(slices.IndexFunc(s.plants, func(p wrongPlant) bool { return p.way == way }), 0)]
}

// window is a step of a plant, at the rates that a controller has chosen.
type window struct {
	*observe.Plant
	parts []int64
	from  int   // its first interval
	asked []int // the intervals in which the overhead must be right
}

// asked are the intervals of a step in which the overhead must be right.
func asked(p *observe.Plant, from int) (list []int) {
	for k := from; k < from+observe.StepIntervals; k++ {
		if p.Asked(k) {
			list = append(list, k)
		}
	}
	return list
}

// side is 1 where the overhead is too high and could be lower, -1 where it is too low and could be higher, else 0.
func (w window) side(k int) int {
	switch overhead := w.Overhead(k, w.parts[k]); {
	case observe.Holds(overhead, w.parts[k]):
		return 0
	case overhead > observe.TargetPPM:
		return 1
	}
	return -1
}

// way says in a word in what way a window is wrong, and what there is to see of that.
func (w window) way() (way, text string) {
	var wrong []int
	for _, k := range w.asked {
		if w.side(k) != 0 {
			wrong = append(wrong, k)
		}
	}
	first, last := wrong[0], w.asked[len(w.asked)-1]
	side, too := w.side(first), map[int]string{1: "too high", -1: "too low"}
	if slices.Max(w.parts[1:]) == slices.Min(w.parts[1:]) {
		return "constant", fmt.Sprintf("the rate stays at %s, as at every other load; the overhead is %s", percent(w.parts[first]), w.overhead(first))
	}
	if turns := w.turns(wrong); len(turns) > 1 {
		rates, overheads := "", ""
		for _, k := range turns {
			rates += ", " + percent(w.parts[k])
			overheads += ", " + w.overhead(k)
		}
		return "swings", fmt.Sprintf("the rate swings: %s; so does the overhead: %s", rates[2:], overheads[2:])
	}
	switch start := w.parts[w.from]; {
	case w.stands(side):
		return "stands", fmt.Sprintf("the rate stands at its limit, %s, for %d intervals after the step, though the overhead is %s, %s",
			percent(w.parts[first]), first-w.from, too[side], w.overhead(first))
	case w.side(last) == 0:
		return "late", fmt.Sprintf("the overhead is still %s, %s, %d intervals after the step, and right later on; %d intervals are the limit",
			too[side], w.overhead(first), first-w.from, observe.Settled)
	case w.steady(-side):
		return "late", fmt.Sprintf("the overhead is %s, %s, at a rate of %s, and %d intervals after the step the rate is still on its way, at %s",
			too[side], w.overhead(first), percent(w.parts[first]), last-w.from, percent(w.parts[last]))
	case int64(side)*(w.parts[first]-start) > start/10:
		return "wrong way", fmt.Sprintf("the rate moves the wrong way: since the step it went from %s to %s, and the overhead is %s, %s",
			percent(start), percent(w.parts[first]), too[side], w.overhead(first))
	}
	text = fmt.Sprintf("the overhead stays %s: %d intervals after the step, at a rate of %s, it is %s", too[side], first-w.from, percent(w.parts[first]), w.overhead(first))
	if side > 0 {
		return "high", text
	}
	return "low", text
}

// turns are intervals of those that are wrong, in turn too high and too low; three of them are enough to see it.
func (w window) turns(wrong []int) (list []int) {
	for _, k := range wrong {
		if n := len(list); n == 0 || n < 3 && w.side(k) != w.side(list[n-1]) {
			list = append(list, k)
		}
	}
	return list
}

// steady reports whether the rate moves to one side throughout, up for 1 and down for -1.
func (w window) steady(side int) bool {
	moved := false
	for i, k := range w.asked[1:] {
		before := w.asked[i]
		if before != k-1 {
			continue // in between nothing happened
		}
		if int64(side)*(w.parts[k]-w.parts[before]) <= 0 {
			return false
		}
		moved = true
	}
	return moved
}

// stands reports whether the rate is at a limit from the step to the first interval that is asked for: at the upper one
// for 1, at the lower one for -1.
func (w window) stands(side int) bool {
	for _, part := range w.parts[w.from : w.asked[0]+1] {
		if side > 0 && part < observe.Whole || side < 0 && part > observe.MinPart {
			return false
		}
	}
	return true
}

func (w window) overhead(k int) string {
	return fmt.Sprintf("%.2f%%", float64(w.Overhead(k, w.parts[k]))/observe.PPM*100)
}

// alike is the part of the plants that must show the same for a hint to speak of it.
const alike = 0.8
