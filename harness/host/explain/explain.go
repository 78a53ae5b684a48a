// SPDX-License-Identifier: Apache-2.0

// Package explain says in plain words what a verifier's rejection means and what to try, and judges the
// task that every lab has first: that the verifier accepts the program.
package explain

import (
	"regexp"
	"slices"
	"strings"

	"bpflab/harness/verifier"
)

// An Explanation says in plain words what a rejection means.
type Explanation struct {
	Kind    string // short and stable, such as "null-check"
	Meaning string // what was found, in a few sentences
	Try     string // what to do next
}

// Unknown is the kind of a rejection that is of no other: its explanation says what any log tells.
const Unknown = "unknown"

// Lines returns the explanation as a report shows it.
func (e Explanation) Lines() []string {
	return []string{"what it means: " + e.Meaning, "try: " + e.Try}
}

// Rejection says what a rejection means, whichever kernel's words it is in, with the numbers and names that its
// message and log tell. It returns false for a program that was accepted and for a report that says nothing.
//
// It looks at the report alone, and works on any system. The kinds are known as Linux 5.10 to
// 7.3 word them for a privileged user, and as the libraries that load programs word theirs.
func Rejection(r verifier.Report) (Explanation, bool) {
	if r.Accepted || r.Message == "" && len(r.Log) == 0 {
		return Explanation{}, false
	}
	insn := lastInstruction(r.Log)
	// The last word decides. Only where it tells nothing, what was said before it may.
	for _, said := range []string{r.Message, verdicts(r.Log)} {
		for _, k := range kinds {
			m := k.message.FindStringSubmatch(said)
			if m == nil || k.insn != nil && !k.insn.MatchString(insn) || k.when != nil && !k.when(r) {
				continue
			}
			e := k.Explanation
			f := newFacts(r, said, m)
			if k.this != nil {
				k.this(f, &e)
			} else {
				f.here(&e)
			}
			return e, true
		}
	}
	return newFacts(r, r.Message, nil).unknown(), true
}

// Kinds returns every kind of rejection that Rejection knows, by name, with what holds for all of that kind.
func Kinds() []Explanation {
	var all []Explanation
	for _, k := range kinds {
		if !slices.ContainsFunc(all, func(e Explanation) bool { return e.Kind == k.Kind }) {
			all = append(all, k.Explanation)
		}
	}
	slices.SortFunc(all, func(a, b Explanation) int { return strings.Compare(a.Kind, b.Kind) })
	return all
}

// A kind is one that Rejection knows. The first in the table that matches is taken.
type kind struct {
	Explanation                            // what holds for each rejection of this kind
	message     *regexp.Regexp             // in what the verifier says
	insn        *regexp.Regexp             // in the instruction that it says it of; nil: any
	when        func(verifier.Report) bool // what else must hold; nil: nothing
	this        func(*facts, *Explanation) // adds what holds for this rejection; nil: (*facts).here
}

// null reports whether the register that a program was rejected for is NULL on the way that the log shows: zero, with
// a test for that before.
func null(r verifier.Report) bool {
	m := badRegister.FindStringSubmatch(r.Message)
	if m == nil {
		return false
	}
	state := regexp.MustCompile(`\b` + m[1] + `(?:_[rw]+)?=(\S+)`)
	zero := false
	for _, line := range slices.Backward(r.Log) {
		if all := state.FindAllStringSubmatch(line, -1); all != nil {
			// 5.10 and 6.1: inv0; then 0.
			if zero = slices.Contains([]string{"0", "inv0", "P0", "invP0"}, all[len(all)-1][1]); !zero {
				return false
			}
		}
		if zero && nullTest.MatchString(line) {
			return true
		}
	}
	return false
}

var nullTest = regexp.MustCompile(`\) if r\d+ [!=]= 0x0 goto`)

var badRegister = regexp.MustCompile(`^(R\d+) invalid mem access`)

// verdicts are the lines of a log that are the verifier's own words. The text of source lines
// is not: it is the program's author's.
func verdicts(log []string) string {
	var said []string
	for _, line := range log {
		if !verifier.IsTrace(line) {
			said = append(said, line)
		}
	}
	return strings.Join(said, "\n")
}

// lastInstruction returns the instruction that a log ends with, such as
// "16: (71) r0 = *(u8 *)(r6 +0)", or "".
func lastInstruction(log []string) string {
	for _, line := range slices.Backward(log) {
		if instruction.MatchString(line) {
			return line
		}
	}
	return ""
}

var instruction = regexp.MustCompile(`^\d+: \([0-9a-f]{2}\) `)
