// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bpflab/harness/verifier"
)

// Facts are what a report tells of one rejection.
type facts struct {
	verifier.Report
	said string   // what the kind's pattern was found in
	m    []string // what it found
	log  trace
	at   int  // the step of the rejected instruction, -1 if the log has none
	insn step // that step
	call string
}

func newFacts(r verifier.Report, said string, m []string) *facts {
	log := r.Trace
	if len(log) == 0 {
		log = r.Log
	}
	f := &facts{Report: r, said: said, m: m, log: parseTrace(log), insn: step{number: -1}}
	if f.at = f.log.last(); f.at >= 0 {
		f.insn = f.log[f.at]
		if m := helper.FindStringSubmatch(f.insn.text); m != nil {
			f.call = m[1]
		}
	}
	return f
}

// number returns what the i-th group of the pattern found as a number.
func (f *facts) number(i int) int {
	n, _ := strconv.Atoi(f.m[i])
	return n
}

var registerNamed = regexp.MustCompile(`\bR(\d+)\b`)

// register returns the register that the message names, such as "R2", or "".
func (f *facts) register() string {
	return registerNamed.FindString(f.said)
}

// state returns what a register holds at the rejected instruction, or "".
func (f *facts) state(register string) string { return f.log.value(register, f.at) }

// name names a register with what it is in the program: "R2 (argument 2 of bpf_probe_read_kernel, `n`)".
func (f *facts) name(register string) string {
	n, err := strconv.Atoi(strings.TrimPrefix(register, "R"))
	if err != nil || f.call == "" || n < 1 || n > 5 {
		return register
	}
	text := fmt.Sprintf("%s (argument %d of %s", register, n, f.call)
	// BPF_PROBE_READ and the like are macros: the source line then has no call.
	if arg := argument(cmp.Or(f.insn.source, f.Source), f.call, n); arg != "" {
		text += ", " + code(arg)
	}
	return text + ")"
}

// line quotes the source line of a step, or the instruction if the log has none.
func (s step) line() string {
	if s.source == "" {
		return code(s.text)
	}
	if m := fileLine.FindStringSubmatch(s.source); m != nil {
		return code(m[2]) + " (line " + m[1] + ")"
	}
	return code(s.source)
}

var fileLine = regexp.MustCompile(`^[^\s:]+:(\d+): (.*)$`)

// from says where a register's value comes from: "what bpf_map_lookup_elem returned in `…`". It is "" if
// the log does not show it.
func (f *facts) from(register string) string {
	i := f.log.origin(register, f.at)
	if i < 0 {
		return ""
	}
	s := f.log[i]
	if m := helper.FindStringSubmatch(s.text); m != nil {
		return "what " + m[1] + " returned in " + s.line()
	}
	if strings.HasPrefix(s.text, "call pc") {
		return "what a function of the program returned in " + s.line()
	}
	if m := loads.FindStringSubmatch(s.text); m != nil {
		base := f.log.value("R"+m[3], i)
		from := "memory"
		if m[3] == "10" {
			from = "the stack"
		} else if base != "" && !isNumber.MatchString(base) {
			from = strings.TrimPrefix(stateWords(base), "a pointer to ")
		}
		return "read from " + from + " in " + s.line()
	}
	return "set in " + s.line()
}

// here adds to an explanation what the register that the message names is in this program.
func (f *facts) here(e *Explanation) {
	if r := f.register(); r != "" {
		if text := f.about(r); text != "" {
			e.Meaning += " Here " + text + "."
		}
	}
}

// about says of a register what it is, what it holds and where that comes from; "" if the log tells nothing.
func (f *facts) about(register string) string {
	name, state, from := f.name(register), f.state(register), f.from(register)
	switch {
	case state != "" && from != "":
		return name + " is " + stateWords(state) + ", " + from
	case state != "":
		return name + " is " + stateWords(state)
	case from != "":
		return name + " is " + from
	case name != register:
		return "it is " + name
	}
	return ""
}

// unknown explains a rejection of no known kind: what the last instruction does, on which registers, and where
// their values come from.
func (f *facts) unknown() Explanation {
	e := Explanation{Kind: Unknown}
	switch {
	case f.By == verifier.Loader:
		e.Meaning = "The library that loads the program gave up before the kernel's verifier saw it, for a reason that bpflab does not know. Its message says what it missed."
		e.Try = "Check what the message names: whether this kernel has it, and how the program declares it."
		return e
	case f.By == verifier.Kernel:
		e.Meaning = "The kernel refused the program before its verifier looked at the instructions: there is no log, only the error " + cmp.Or(f.Errno, "number") + "."
		e.Try = "Compare program type, attach type, flags and sizes with what this kernel knows."
		return e
	}
	e.Meaning = "bpflab does not know this message."
	if f.at < 0 {
		e.Meaning += " The log shows no instruction, so the message is about the program as a whole, its functions, types or maps."
		e.Try = "Check what the message names. Its fixed words can be found in the kernel's kernel/bpf/verifier.c or btf.c, just above the condition that failed."
		return e
	}
	e.Meaning += fmt.Sprintf(" The verifier stopped at instruction %d, %s", f.insn.number, code(f.insn.text))
	if words := insnWords(f.insn.text); words != "" {
		e.Meaning += ", which " + words
	}
	if f.insn.source != "" {
		e.Meaning += ", for " + f.insn.line()
	}
	e.Meaning += "."
	used := f.insn.used()
	if named := f.register(); named != "" && !slices.Contains(used, named) {
		used = append(used, named)
	}
	var known []string
	for _, r := range used {
		if text := f.about(r); text != "" && f.state(r) != "" {
			if strings.Contains(f.said, r+" ") {
				text += " (the message names it)"
			}
			known = append(known, text)
		}
	}
	if len(known) > 0 {
		e.Meaning += " " + strings.Join(known, "; ") + "."
	}
	e.Try = "Compare what the message asks for with these registers, and change the line that a wrong one comes from. The message's fixed words can be found in the kernel's kernel/bpf/verifier.c, just above the condition that failed."
	return e
}

// plain adds nothing: the kind says it all, or its message does.
func plain(*facts, *Explanation) {}

func (e *Explanation) add(format string, args ...any) {
	e.Meaning += " " + fmt.Sprintf(format, args...)
}

// whole reports whether the log shows where a register's value comes from, and so all that was done with it since.
func (f *facts) whole(register string) bool { return f.log.origin(register, f.at) >= 0 }
