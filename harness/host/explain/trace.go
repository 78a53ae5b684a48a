// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A step is an instruction that a log shows, and what it tells of the registers after it. Where a log
// begins, and where the verifier comes back to a branch, there is a step without an instruction.
type step struct {
	number int    // of the instruction, -1 for none
	text   string // "r0 = *(u8 *)(r6 +0)"
	source string // the line of C it belongs to, if the log says so
	before int    // the step before it on its path, -1 for none
	depth  int    // functions that have not returned
	frame  int    // whose registers after are: another than depth where a function is called or returns
	after  map[string]string
}

// A trace is a log's steps.
type trace []step

var (
	insnText  = regexp.MustCompile(`^\s*(\d+): \([0-9a-f]{2}\) ([^;]*)(?:;\s*(.*))?$`)
	stateOf   = regexp.MustCompile(`^(\d+): `)
	safe      = regexp.MustCompile(`^(?:from \d+ to )?\d+[^(=]*: safe$`)
	looping   = regexp.MustCompile(`^infinite loop detected at insn (\d+)`)
	jumps     = regexp.MustCompile(`^if .* goto pc([+-]\d+)`)
	branched  = regexp.MustCompile(`^from (\d+) to \d+[^:]*:`)
	numbered  = regexp.MustCompile(` \d+: (?:frame\d+: ?)?(?:R\d+|fp)`)
	stateText = regexp.MustCompile(`(?:^|[\s:])(R\d+|fp-\d+)(?:_[a-z]+)?=`)
	frameText = regexp.MustCompile(`\bframe(\d+):`)
	sourceOf  = regexp.MustCompile(`^; (.*?)(?: @ (\S+):(\d+))?$`)
)

func parseTrace(log []string) trace {
	var (
		t      trace
		source string
		depth  int
		ended  bool              // the path, so that the next line belongs to another
		jumped = map[int][]int{} // by instruction: the steps of branches that go to it
		back   = map[int]bool{}  // those branches that were come back to
		last   = map[int]int{}   // by instruction: its last step
	)
	// A log of all registers does not say from which branch a path comes: from the last one that goes to it
	// and was not come back to.
	begin := func(number int) int {
		for from := jumped[number]; len(from) > 0; {
			at := from[len(from)-1]
			from = from[:len(from)-1]
			jumped[number] = from
			if !back[at] {
				back[at] = true
				return at
			}
		}
		return -1
	}
	add := func(s step) {
		s.depth, s.frame, s.source, s.after = depth, depth, source, map[string]string{}
		for _, n := range targets(s) {
			jumped[n] = append(jumped[n], len(t))
		}
		if s.number >= 0 {
			last[s.number] = len(t)
		}
		t = append(t, s)
	}
	for _, line := range log {
		if m := sourceOf.FindStringSubmatch(line); m != nil {
			if source = strings.TrimSpace(m[1]); source != "" && m[2] != "" && m[3] != "0" {
				source = m[2] + ":" + m[3] + ": " + source
			}
			continue
		}
		if m := insnText.FindStringSubmatch(line); m != nil {
			text, states := m[2], m[3]
			// What follows a branch may stand on its line: "if r1 != 0x0 goto pc+1 17: R0=1".
			if at := numbered.FindStringIndex(text); at != nil {
				text, states = text[:at[0]], text[at[0]:]
			}
			text = strings.TrimSpace(text)
			n, _ := strconv.Atoi(m[1])
			if ended {
				add(step{number: -1, before: begin(n)})
				ended = false
			}
			add(step{number: n, text: text, before: len(t) - 1})
			switch {
			case strings.HasPrefix(text, "call pc"):
				depth++
			case text == "exit" && depth > 0:
				depth--
			case text == "exit":
				ended = true
			}
			if frame, known := t[len(t)-1].learn(states); known {
				depth = frame
			}
			continue
		}
		if safe.MatchString(line) {
			ended = true
			continue
		}
		// The last word on a path that has no instruction any more.
		if m := looping.FindStringSubmatch(line); m != nil && ended {
			n, _ := strconv.Atoi(m[1])
			add(step{number: -1, before: begin(n)})
			ended = false
			continue
		}
		if !stateText.MatchString(line) || strings.HasPrefix(line, "caller") || strings.HasPrefix(line, "regs=") || strings.Contains(line, " before ") {
			continue
		}
		if m := branched.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			at, known := last[n]
			if !known {
				at = -1
			}
			add(step{number: -1, before: at})
			ended = false
		} else if m := stateOf.FindStringSubmatch(line); m != nil && ended {
			n, _ := strconv.Atoi(m[1])
			add(step{number: -1, before: begin(n)})
			ended = false
		} else if len(t) == 0 {
			add(step{number: -1, before: -1})
		}
		if frame, known := t[len(t)-1].learn(line); known {
			depth = frame
		}
	}
	return t
}

// targets returns the instructions that may follow a branch; nil for any other step.
func targets(s step) []int {
	m := jumps.FindStringSubmatch(s.text)
	if m == nil {
		return nil
	}
	n, _ := strconv.Atoi(m[1])
	return []int{s.number + 1 + n, s.number + 1}
}

// learn notes the registers that a line states, and returns whose they are: the frame's number.
func (s *step) learn(line string) (frame int, known bool) {
	if m := frameText.FindStringSubmatch(line); m != nil {
		frame, _ = strconv.Atoi(m[1])
	}
	for _, at := range stateText.FindAllStringSubmatchIndex(line, -1) {
		value := line[at[1]:]
		open := 0
		for i, c := range value {
			if c == '(' {
				open++
			} else if c == ')' {
				open--
			} else if c == ' ' && open == 0 {
				value = value[:i]
				break
			}
		}
		if !known && frame != s.frame {
			s.frame = frame
			clear(s.after) // the caller's and the called function's registers have the same names
		}
		s.after[line[at[2]:at[3]]] = value
		known = true
	}
	return frame, known
}

var (
	assigns = regexp.MustCompile(`^[rw](\d+) (\S*=) (.*)$`)
	moves   = regexp.MustCompile(`^[rw](\d+)$`)
	spilled = regexp.MustCompile(`^\*\(u64 \*\)\(r10 (-\d+)\)$`)
	spills  = regexp.MustCompile(`^\*\(u64 \*\)\(r10 (-\d+)\) = (r\d+)$`)
	helper  = regexp.MustCompile(`^call ([A-Za-z_]\w*)#-?(\d+)`)
	loads   = regexp.MustCompile(`^[rw](\d+) = \*\([us](\d+) \*\)\(r(\d+) ([+-]\d+)\)`)
	writes  = regexp.MustCompile(`^(lock )?\*\(u(\d+) \*\)\(r(\d+) ([+-]\d+)\) (\S*=) (.*)$`)
	tests   = regexp.MustCompile(`^if ([rw])(\d+) (\S+|s[<>]=?) (\S+) goto`)
)

// writes reports whether a step gives a register another value.
func (s step) writes(register string) bool {
	if strings.HasPrefix(s.text, "call ") {
		return slices.Contains([]string{"R0", "R1", "R2", "R3", "R4", "R5"}, register)
	}
	m := assigns.FindStringSubmatch(s.text)
	return m != nil && "R"+m[1] == register
}

// back calls f with the indices of the steps before a step, on its path, the nearest first and those of called
// functions left out, until f returns true. It returns that index or -1.
func (t trace) back(from int, register string, f func(int) bool) int {
	if from < 0 {
		return -1
	}
	depth := t[from].depth
	for i, left := t[from].before, len(t); i >= 0 && left > 0; i, left = t[i].before, left-1 {
		switch s := t[i]; {
		case s.depth > depth:
			continue
		case s.depth < depth && !slices.Contains([]string{"R1", "R2", "R3", "R4", "R5"}, register):
			return -1 // the caller's register
		case f(i):
			return i
		default:
			depth = s.depth
		}
	}
	return -1
}

// setter returns the step that gave a register the value it has before a step, or -1.
func (t trace) setter(register string, at int) int {
	return t.back(at, register, func(i int) bool { return t[i].writes(register) })
}

// value returns what a log says that a register holds before a step, or "".
func (t trace) value(register string, at int) string {
	var value string
	t.back(at, register, func(i int) bool {
		value = t[i].after[register]
		return value != "" || t[i].writes(register)
	})
	return value
}

// origin returns the step that a register's value comes from, through copies, spills and arithmetic with
// constants, or -1.
func (t trace) origin(register string, at int) int {
	for range len(t) {
		i := t.setter(register, at)
		if i < 0 {
			return -1
		}
		m := assigns.FindStringSubmatch(t[i].text)
		switch {
		case m == nil: // a call
			return i
		case m[2] == "=" && moves.MatchString(m[3]):
			register = "R" + moves.FindStringSubmatch(m[3])[1]
		case m[2] == "=" && spilled.MatchString(m[3]):
			slot := spilled.FindStringSubmatch(m[3])[1]
			register = ""
			i = t.back(i, "R10", func(i int) bool {
				m := spills.FindStringSubmatch(t[i].text)
				if m != nil && m[1] == slot {
					register = strings.ToUpper(m[2])
				}
				return register != ""
			})
			if i < 0 {
				return -1
			}
		case m[2] == "=" || moves.MatchString(m[3]):
			return i
		}
		at = i
	}
	return -1
}

// last returns the last instruction's index, or -1.
func (t trace) last() int {
	for i, s := range slices.Backward(t) {
		if s.number >= 0 {
			return i
		}
	}
	return -1
}

// used returns the registers that an instruction reads.
func (s step) used() []string {
	var out []string
	add := func(number string) {
		if r := "R" + number; number != "" && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	register := func(text string) string {
		if m := moves.FindStringSubmatch(text); m != nil {
			return m[1]
		}
		return ""
	}
	switch {
	case strings.HasPrefix(s.text, "call "):
		return []string{"R1", "R2", "R3", "R4", "R5"}
	case s.text == "exit":
		return []string{"R0"}
	case loads.MatchString(s.text):
		add(loads.FindStringSubmatch(s.text)[3])
	case writes.MatchString(s.text):
		m := writes.FindStringSubmatch(s.text)
		add(m[3])
		add(register(m[6]))
	case tests.MatchString(s.text):
		m := tests.FindStringSubmatch(s.text)
		add(m[2])
		add(register(m[4]))
	case assigns.MatchString(s.text):
		m := assigns.FindStringSubmatch(s.text)
		if m[2] != "=" {
			add(m[1])
		}
		add(register(m[3]))
	}
	return out
}

// Bounds are what the verifier knows of a number.
type bounds struct {
	smin, smax int64
	umin, umax uint64
}

var anyNumber = bounds{math.MinInt64, math.MaxInt64, 0, math.MaxUint64}

// isNumber matches the states of plain numbers: "5", "inv0", "invP7", "inv(id=0,umax_value=255)", "scalar()".
var isNumber = regexp.MustCompile(`^(?:inv)?P?(-?\d+|0x[0-9a-f]+)$|^(?:inv|P?scalar|inv P?)(?:\(|$)`)

// parseBounds reads the bounds of a number or of a pointer's variable offset from its state.
func parseBounds(state string) bounds {
	b := anyNumber
	if m := isNumber.FindStringSubmatch(state); m != nil && m[1] != "" {
		if n, err := strconv.ParseInt(m[1], 0, 64); err == nil {
			return bounds{n, n, uint64(n), uint64(n)}
		} else if n, err := strconv.ParseUint(m[1], 0, 64); err == nil {
			return bounds{int64(n), int64(n), n, n}
		}
	}
	_, list, ok := strings.Cut(state, "(")
	if !ok {
		return b
	}
	// "smin=umin=1,smax=umax=umax32=0xff", and 5.10's "umin_value=1,umax_value=255".
	for item := range strings.SplitSeq(strings.TrimSuffix(list, ")"), ",") {
		names := strings.Split(item, "=")
		text := names[len(names)-1]
		for _, name := range names[:len(names)-1] {
			switch strings.TrimSuffix(name, "_value") {
			case "imm":
				if n, err := strconv.ParseInt(text, 0, 64); err == nil && strings.HasPrefix(state, "inv") {
					return bounds{n, n, uint64(n), uint64(n)}
				}
			case "smin":
				b.smin = signed(text, b.smin)
			case "smax":
				b.smax = signed(text, b.smax)
			case "umin":
				b.umin = unsigned(text, b.umin)
			case "umax":
				b.umax = unsigned(text, b.umax)
			}
		}
	}
	// What is not printed follows from the rest.
	if b.umax <= math.MaxInt64 {
		b.smin, b.smax = max(b.smin, int64(b.umin)), min(b.smax, int64(b.umax))
	}
	if b.smin >= 0 {
		b.umin, b.umax = max(b.umin, uint64(b.smin)), min(b.umax, uint64(b.smax))
	}
	return b
}

func signed(text string, or int64) int64 {
	if n, err := strconv.ParseInt(text, 0, 64); err == nil {
		return n
	}
	return int64(unsigned(text, uint64(or)))
}

func unsigned(text string, or uint64) uint64 {
	if n, err := strconv.ParseUint(text, 0, 64); err == nil {
		return n
	}
	return or
}

// String is a range in words: "0 to 255".
func (b bounds) String() string {
	switch {
	case b.smin == b.smax:
		return strconv.FormatInt(b.smin, 10)
	case b.umax == math.MaxUint64 && b.umin == 0 && b.smin == math.MinInt64 && b.smax == math.MaxInt64:
		return "any 64-bit number"
	case b.smin >= 0:
		return strconv.FormatUint(b.umin, 10) + " to " + strconv.FormatUint(b.umax, 10)
	case b.smin == math.MinInt64 && b.smax == math.MaxInt64:
		return strconv.FormatUint(b.umin, 10) + " or more, up to 2⁶⁴-1"
	case b.smin == math.MinInt64:
		return "any negative number, or up to " + strconv.FormatInt(b.smax, 10)
	case b.smax == math.MaxInt64:
		return strconv.FormatInt(b.smin, 10) + " or more, up to 2⁶³-1"
	default:
		return strconv.FormatInt(b.smin, 10) + " to " + strconv.FormatInt(b.smax, 10)
	}
}
