// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"regexp"
	"slices"
	"strings"
)

// What the explanations of kinds_flow.go add for one rejection.

func infiniteLoop(f *facts, e *Explanation) {
	n := f.number(1)
	e.add("Instruction %d is reached again with registers and stack that the verifier takes for the same", n)
	if i := slices.IndexFunc(f.log, func(s step) bool { return s.number == n }); i >= 0 && f.log[i].source != "" {
		e.add("(%s)", f.log[i].line())
	}
	e.Meaning += "; values read from memory, and pointers of one type, are the same to it in each round."
	e.Try = "Loop up to a constant, over a counter that each round changes, and leave the loop early: `for (i = 0; i < 16 && p; i++)`."
}

func tooComplex(f *facts, e *Explanation) {
	if f.m[1] != "" {
		e.add("Here it was at %s instructions when it gave up; the limit is 1,000,000 over all paths, however short the program is.", f.m[1])
	}
	if loop := f.repeated(); loop != "" {
		e.add("It was going through %s.", loop)
	}
}

// repeated returns the source line that the log's end shows most often, if it is more than twice.
func (f *facts) repeated() string {
	count := map[string]int{}
	best := ""
	for _, s := range f.log {
		if s.source == "" || !strings.HasPrefix(s.text, "if ") {
			continue
		}
		line := s.line()
		if count[line]++; count[line] > count[best] || count[line] == count[best] && line < best {
			best = line
		}
	}
	if count[best] < 3 {
		return ""
	}
	return best
}

func arena(f *facts, e *Explanation) {
	if strings.Contains(f.said, "user address must be set") {
		e.add("Here the kernel does not know yet at which address user space has the arena.")
		e.Try = "Set the map's `map_extra` to that address, or map the arena into the loading process before the program is loaded; libbpf does that where `map_extra` is set."
	}
}

func ofBTF(f *facts, e *Explanation) {
	if m := namelessArgument.FindStringSubmatch(f.said); m != nil {
		e.add("Here parameter %s of %s has no name: some compilers drop the names of parameters that a function does not use, as one that is `naked`.", m[2], code(m[1]))
		e.Try = "Let the function take no parameters, `(void)`, if it is `naked`, or write the assembly into a function that is not."
	}
}

var namelessArgument = regexp.MustCompile(`FUNC (\w+) type_id=\d+ Invalid arg#(\d+)`)
