// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bpflab/harness/verifier"
)

// A Step is an instruction on the verifier's path to a rejection, or, with the number -1, what the log says before the
// first.
type Step struct {
	Number  int     `json:"insn"`
	Text    string  `json:"text,omitempty"`    // in the verifier's words: "r0 = *(u8 *)(r6 +0)"
	Source  string  `json:"source,omitempty"`  // the line of C, as "file.c:12: text", or its text alone from kernels before 6.9
	Depth   int     `json:"depth"`             // functions that have not returned
	Branch  string  `json:"branch,omitempty"`  // of a conditional jump: "taken", "not taken", or "" where the path ends
	Changed []Value `json:"changed,omitempty"` // what the verifier knows after it and did not before
	Bears   bool    `json:"bears,omitempty"`   // what it sets or compares goes into what the verifier rejected
}

// A Value is what a register or eight bytes of the stack hold.
type Value struct {
	Name string `json:"name"` // "r2" or "fp-8"
	Is   string `json:"is"`   // "packet + 14, 34 bytes checked"
}

// A Path is the way that the verifier took to a rejection.
type Path struct {
	Steps []Step  `json:"steps"`
	Used  []Value `json:"used,omitempty"`  // what the rejected instruction, the last one, works with
	Bears string  `json:"bears,omitempty"` // what Step.Bears is about: "r1, r2", or "" where it is of no step
	Cut   int     `json:"cut,omitempty"`   // lines of the log that are missing before Steps or between them
}

// PathOf follows a report's log from the start to the rejection. It returns false if the log shows no instruction, or
// no registers.
//
// Loops are followed round by round. Where the log begins in the middle, so does the path.
func PathOf(r verifier.Report) (Path, bool) {
	lines := r.Trace
	var p Path
	if r.Whole != nil {
		lines, p.Cut = r.Whole.Path(), r.Whole.Cut
		if p.Cut > 0 { // what comes before the gap does not lead to what comes after it
			lines = (&verifier.Log{Lines: r.Whole.Lines[r.Whole.At:]}).Path()
			p.Cut += r.Whole.At
		}
	}
	t := parseTrace(lines)
	end := t.last()
	if end < 0 || !slices.ContainsFunc(t, func(s step) bool { return len(s.after) > 0 }) {
		return Path{}, false
	}
	if last := len(t) - 1; t[last].before >= 0 && looping.MatchString(r.Message) {
		end = last // the rejection is of an instruction that the log does not show again
	}
	var way []int
	for i := end; i >= 0; i = t[i].before {
		way = append(way, i)
	}
	slices.Reverse(way)

	w := walk{known: map[int]map[string]string{}, voided: map[int]int{}, set: map[place]int{}}
	named := slices.DeleteFunc(registerNamed.FindAllString(r.Message, -1), func(r string) bool { return r == "R10" })
	for at, i := range way {
		s := t[i]
		if s.number < 0 {
			if len(p.Steps) == 0 {
				p.Steps = append(p.Steps, Step{Number: -1, Changed: w.learn(s)})
			} else { // the other way out of the branch before
				last := &p.Steps[len(p.Steps)-1]
				p.void(w, last.Depth, s)
				last.Changed = append(last.Changed, w.learn(s)...)
			}
			continue
		}
		one := Step{Number: s.number, Text: s.text, Source: s.source, Depth: s.depth}
		if n := len(p.Steps); one.Source == "" && n > 0 && p.Steps[n-1].Depth == s.depth {
			one.Source = p.Steps[n-1].Source // compilers give some instructions to no line
		}
		jump, conditional := conditionalTarget(s)
		if next := at + 1; next < len(way) {
			other := t[way[next]].number < 0
			if conditional {
				one.Branch = "not taken"
				n := numberAt(t, way[next:])
				if m := looping.FindStringSubmatch(r.Message); n < 0 && m != nil {
					n, _ = strconv.Atoi(m[1])
				}
				if n == jump && n != s.number+1 {
					one.Branch = "taken"
				}
			}
			w.lose(s)
			if !other {
				p.void(w, s.depth, s)
				one.Changed = w.learn(s)
			}
		} else {
			if m := scalarNamed.FindStringSubmatch(r.Message); m != nil {
				p.void(w, s.depth, step{after: map[string]string{m[1]: "scalar()"}})
			}
			p.Used = w.used(s, named)
		}
		w.note(s, len(p.Steps))
		p.Steps = append(p.Steps, one)
	}
	p.mark(r.Message, named)
	return p, true
}

var scalarNamed = regexp.MustCompile(`^(R\d+) invalid mem access '(?:inv|scalar)'`)

// void notes, at the call that took it, where a register lost its pointer: a release, or a helper that moves the packet.
// Verifiers from 5.16 on write nothing then, so that a step states a number where a pointer was. It is called before
// that step is learned.
func (p *Path) void(w walk, depth int, s step) {
	call, ok := w.voided[depth]
	if !ok {
		return
	}
	known := w.frame(depth)
	for _, name := range slices.Sorted(maps.Keys(s.after)) {
		was, state := known[name], s.after[name]
		switch {
		case was == "" || was == lost || isNumber.MatchString(was) || !isNumber.MatchString(state):
		case strings.Contains(was, "_or_null") && brief(name, state) == "0": // it was NULL
		case strings.HasPrefix(name, "fp") || s.writes(name) || w.set[place{depth, name}] > call:
		default:
			known[name] = "scalar()"
			p.Steps[call].Changed = append(p.Steps[call].Changed, Value{strings.ToLower(name), "a number, no pointer any more"})
		}
	}
}

// numberAt returns the number of the first step that is an instruction, or -1.
func numberAt(t trace, way []int) int {
	for _, i := range way {
		if t[i].number >= 0 {
			return t[i].number
		}
	}
	return -1
}

var conditional = regexp.MustCompile(`^(?:if |may_goto)`)

// conditionalTarget returns the instruction that a conditional jump goes to.
func conditionalTarget(s step) (int, bool) {
	to := targets(s)
	if to == nil || !conditional.MatchString(s.text) {
		return 0, false
	}
	return to[0], true
}

// A walk knows the states of registers, by frame.
type walk struct {
	known  map[int]map[string]string
	voided map[int]int   // by frame: the last step that may have voided pointers
	set    map[place]int // the last step that set a register
}

// A place is a register or a slot of the stack in a frame.
type place struct {
	depth int
	name  string
}

// note notes what a step, the n-th, does to registers that the log does not show.
func (w walk) note(s step, n int) {
	if releasing.MatchString(s.text) || movingPacket.MatchString(s.text) {
		w.voided[s.depth] = n
	}
	if strings.HasPrefix(s.text, "call ") {
		for i := range 6 {
			w.set[place{s.depth, "R" + strconv.Itoa(i)}] = n
		}
	} else if m := assigns.FindStringSubmatch(s.text); m != nil {
		w.set[place{s.depth, "R" + m[1]}] = n
	}
}

func (w walk) frame(n int) map[string]string {
	if w.known[n] == nil {
		w.known[n] = map[string]string{}
	}
	return w.known[n]
}

// learn notes what a step states, and returns what of it is new.
func (w walk) learn(s step) (changed []Value) {
	known := w.frame(s.frame)
	after := s.after
	if targets(s) != nil || s.number < 0 {
		after = w.alike(known, after)
	}
	for name, state := range after {
		is := brief(name, state)
		if known[name] == "" || is != brief(name, known[name]) || s.writes(name) {
			if name != "R10" {
				changed = append(changed, Value{strings.ToLower(name), is})
			}
		}
	}
	maps.Copy(known, after)
	slices.SortFunc(changed, func(a, b Value) int { return order(a.Name) - order(b.Name) })
	return changed
}

// alike adds to what a comparison has shown of registers what follows for their copies, which a verifier learns too,
// and does not write: how far the packet was compared, and that a pointer is not NULL.
func (walk) alike(known, after map[string]string) map[string]string {
	all := maps.Clone(after)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		state, before := after[name], known[name]
		for other, was := range known {
			if _, stated := after[other]; stated || was == "" || id(was) != id(before) {
				continue
			}
			switch {
			case strings.HasPrefix(state, "pkt(") && strings.HasPrefix(was, "pkt("):
				if m := packetRange.FindString(state); m != "" {
					all[other] = packetRange.ReplaceAllLiteralString(was, m)
				}
			case id(was) != "" && strings.Contains(before, "_or_null") && was == before:
				all[other] = state
			}
		}
	}
	return all
}

// id returns what copies of a value have in common; "" for none.
func id(state string) string {
	if m := stateID.FindStringSubmatch(state); m != nil && m[1] != "0" {
		return m[1]
	}
	return ""
}

var stateID = regexp.MustCompile(`\bid=(\d+)`)

// lose forgets what a call leaves without a value, and what a function's frame held when it was called before.
func (w walk) lose(s step) {
	switch {
	case strings.HasPrefix(s.text, "call pc"):
		delete(w.known, s.depth+1)
		delete(w.voided, s.depth+1)
	case strings.HasPrefix(s.text, "call "):
		for _, r := range []string{"R1", "R2", "R3", "R4", "R5"} {
			w.frame(s.depth)[r] = lost
		}
	}
}

// lost is the state of a register after a call.
const lost = "lost"

// used returns what an instruction works with, as far as it is known. A helper's arguments are those that have a value.
func (w walk) used(s step, named []string) (values []Value) {
	known := w.frame(s.depth)
	names := s.used()
	for _, r := range named {
		if !slices.Contains(names, r) {
			names = append(names, r)
		}
	}
	for _, r := range names {
		is := known[r]
		if is == "" || r == "R10" || is == lost && strings.HasPrefix(s.text, "call ") && !slices.Contains(named, r) {
			continue
		}
		values = append(values, Value{strings.ToLower(r), brief(r, is)})
	}
	return values
}

// order sorts registers before the stack.
func order(name string) int {
	if n, err := strconv.Atoi(strings.TrimPrefix(name, "r")); err == nil {
		return n
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(name, "fp-"))
	return 1000 + n
}

// mark finds, from the end, the steps whose results go into the registers that a message names, or, where it names
// none, into those of the last instruction. What was not given back has no register: there it is the step that acquired
// it, and the branches since.
func (p *Path) mark(message string, named []string) {
	last := &p.Steps[len(p.Steps)-1]
	if len(named) == 0 {
		if p.markOpen(message) || last.Text == "exit" || strings.HasPrefix(last.Text, "call ") {
			return
		}
		named = slices.DeleteFunc(step{text: last.Text}.used(), func(r string) bool { return r == "R10" })
	}
	if len(named) == 0 {
		return
	}
	live := map[place]bool{}
	var bears []string
	for _, r := range named {
		live[place{last.Depth, r}] = true
		if name := strings.ToLower(r); !slices.Contains(bears, name) {
			bears = append(bears, name)
		}
	}
	p.Bears = strings.Join(bears, ", ")
	last.Bears = true
	depth := last.Depth
	for i := len(p.Steps) - 2; i >= 0; i-- {
		one := &p.Steps[i]
		s := step{number: one.Number, text: one.Text}
		switch {
		case one.Number < 0:
		case strings.HasPrefix(s.text, "call pc") && depth > one.Depth:
			for n := 1; n <= 5; n++ {
				inner := place{depth, "R" + strconv.Itoa(n)}
				if live[inner] {
					delete(live, inner)
					live[place{one.Depth, inner.name}], one.Bears = true, true
				}
			}
		case s.text == "exit" && depth < one.Depth:
			result := place{depth, "R0"}
			if live[result] {
				delete(live, result)
				live[place{one.Depth, "R0"}], one.Bears = true, true
			}
		case spills.MatchString(s.text):
			m := spills.FindStringSubmatch(s.text)
			slot := place{one.Depth, "fp" + m[1]}
			if live[slot] {
				delete(live, slot)
				live[place{one.Depth, strings.ToUpper(m[2])}], one.Bears = true, true
			}
		case tests.MatchString(s.text):
			for _, r := range s.used() {
				one.Bears = one.Bears || live[place{one.Depth, r}]
			}
			for _, v := range one.Changed {
				one.Bears = one.Bears || live[place{one.Depth, strings.ToUpper(v.Name)}]
			}
		case strings.HasPrefix(s.text, "call "):
			if result := (place{one.Depth, "R0"}); live[result] {
				delete(live, result)
				one.Bears = true
			}
			for _, v := range one.Changed { // no longer a pointer
				one.Bears = one.Bears || live[place{one.Depth, strings.ToUpper(v.Name)}]
			}
			for n := 1; n <= 5; n++ { // a call has taken it
				if r := (place{one.Depth, "R" + strconv.Itoa(n)}); live[r] {
					delete(live, r)
					one.Bears = true
				}
			}
		case assigns.MatchString(s.text):
			m := assigns.FindStringSubmatch(s.text)
			set := place{one.Depth, "R" + m[1]}
			if !live[set] {
				break
			}
			one.Bears = true
			delete(live, set)
			if slot := spilled.FindStringSubmatch(m[3]); slot != nil && m[2] == "=" {
				live[place{one.Depth, "fp" + slot[1]}] = true
				break
			}
			for _, r := range s.used() {
				live[place{one.Depth, r}] = r != "R10"
			}
		}
		if one.Number >= 0 {
			depth = one.Depth
		}
	}
}

// markOpen marks what a message says is still open: a reference, a lock or another section.
func (p *Path) markOpen(message string) bool {
	var opens func(Step) bool
	if m := acquired.FindStringSubmatch(message); m != nil {
		opens = func(s Step) bool { return strconv.Itoa(s.Number) == m[1] }
	} else if m := section.FindStringSubmatch(message); m != nil {
		opens = func(s Step) bool { return strings.HasPrefix(s.Text, "call ") && opening.MatchString(s.Text) }
	} else {
		return false
	}
	for i, s := range slices.Backward(p.Steps) {
		p.Steps[i].Bears = s.Branch != "" || i == len(p.Steps)-1
		if opens(s) {
			p.Steps[i].Bears = true
			p.Bears = "what was not given back"
			return true
		}
	}
	for i := range p.Steps {
		p.Steps[i].Bears = false
	}
	return true
}

var (
	acquired = regexp.MustCompile(`alloc_insn=(\d+)`)
	section  = regexp.MustCompile(`(?:spin_lock|rcu_read_lock|preempt_disable|local_irq_save)-ed region|unlock is missing|enable is missing|while holding`)
	opening  = regexp.MustCompile(`_(?:lock|lock_irqsave|disable|irq_save)\b`)
)
