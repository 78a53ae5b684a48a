// SPDX-License-Identifier: Apache-2.0

// Package mutate makes small edits of programs, each such as a student makes by mistake or as a try:
// a constant changed, a condition turned round, a statement left out. A grader must have an answer
// to each of them.
//
// It is pure: the same text and number give the same edit.
package mutate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Edit is a text with one place changed.
type Edit struct {
	Kind     string // such as "constant"
	Line     int    // of the original text
	From, To string // what was replaced by what
	Text     string // all of the text
}

// String describes the edit in a line.
func (e Edit) String() string {
	oneLine := func(s string) string {
		s = strings.Join(strings.Fields(s), " ")
		if len(s) > 60 {
			s = s[:57] + "..."
		}
		return s
	}
	return fmt.Sprintf("line %d, %s: `%s` → `%s`", e.Line, e.Kind, oneLine(e.From), oneLine(e.To))
}

// Order returns all edits in an order that the seed draws. Kinds take turns, so that the first few are
// of many kinds.
func Order(edits []Edit, seed uint64) []Edit {
	byKind := map[string][]Edit{}
	var kinds []string
	for _, e := range edits {
		if byKind[e.Kind] == nil {
			kinds = append(kinds, e.Kind)
		}
		byKind[e.Kind] = append(byKind[e.Kind], e)
	}
	slices.Sort(kinds)
	draw := rand.New(rand.NewPCG(seed, 0))
	for _, kind := range kinds {
		list := byKind[kind]
		draw.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	draw.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	ordered := make([]Edit, 0, len(edits))
	for n := 0; len(ordered) < len(edits); n++ {
		for _, kind := range kinds {
			if n < len(byKind[kind]) {
				ordered = append(ordered, byKind[kind][n])
			}
		}
	}
	return ordered
}

// kind is a token's.
type kind int

const (
	name kind = iota
	number
	text // a string or a character
	mark // an operator, a bracket, a semicolon
)

// token is one of a program, without its comments.
type token struct {
	kind       kind
	text       string
	start, end int // in the program
}

// span is some tokens that follow one another: from and, without it, to.
type span struct{ from, to int }

// source is a program that is edited.
type source struct {
	text   string
	tokens []token
	match  map[int]int // of each bracket, the other one
	edits  []Edit
	known  map[string]bool // texts there are already
}

func newSource(text string, tokens []token) *source {
	s := &source{text: text, tokens: tokens, match: map[int]int{}, known: map[string]bool{text: true}}
	var open []int
	for i, t := range tokens {
		if t.kind != mark {
			continue
		}
		switch t.text {
		case "(", "[", "{":
			open = append(open, i)
		case ")", "]", "}":
			if len(open) > 0 {
				last := open[len(open)-1]
				open = open[:len(open)-1]
				s.match[last], s.match[i] = i, last
			}
		}
	}
	return s
}

// is reports whether there is a token i of some text that is not in quotes.
func (s *source) is(i int, texts ...string) bool {
	return i >= 0 && i < len(s.tokens) && s.tokens[i].kind != text && slices.Contains(texts, s.tokens[i].text)
}

// of is the text of some tokens, with what is between them.
func (s *source) of(at span) string {
	if at.from >= at.to {
		return ""
	}
	return s.text[s.tokens[at.from].start:s.tokens[at.to-1].end]
}

// replace adds an edit, unless there is one that gives the same text.
func (s *source) replace(kind string, at span, by string) {
	if at.from >= at.to {
		return
	}
	start, end := s.tokens[at.from].start, s.tokens[at.to-1].end
	edited := s.text[:start] + by + s.text[end:]
	if s.known[edited] {
		return
	}
	s.known[edited] = true
	s.edits = append(s.edits, Edit{
		Kind: kind, Line: 1 + strings.Count(s.text[:start], "\n"), From: s.text[start:end], To: by, Text: edited,
	})
}

// token replaces one.
func (s *source) token(kind string, i int, by ...string) {
	for _, b := range by {
		s.replace(kind, span{i, i + 1}, b)
	}
}

// split divides tokens at marks outside of inner brackets.
func (s *source) split(at span, marks ...string) (parts []span) {
	from := at.from
	for i := at.from; i < at.to; i++ {
		if s.is(i, "(", "[", "{") && s.match[i] > i {
			i = s.match[i]
			continue
		}
		if s.is(i, marks...) {
			parts = append(parts, span{from, i})
			from = i + 1
		}
	}
	return append(parts, span{from, at.to})
}

// operators are what may stand in for each other.
var operators = [][]string{
	{"==", "!=", "<", "<=", ">", ">="},
	{"&&", "||"},
	{"+", "-", "*", "/", "%", "&", "|", "^"},
	{"<<", ">>", "*", "/"},
	{"+=", "-=", "*=", "=", "|=", "&=", "^=", "<<=", ">>="},
	{"++", "--"},
}

// operator exchanges token i, if it is one that takes two operands or is an assignment.
func (s *source) operator(i int) {
	t := s.tokens[i]
	if t.kind != mark || !s.binary(i) {
		return
	}
	for _, group := range operators {
		if !slices.Contains(group, t.text) {
			continue
		}
		for _, other := range group {
			if other != t.text {
				s.token("operator", i, other)
			}
		}
	}
}

// binary reports whether a mark has an operand before it. ++ and -- always have.
func (s *source) binary(i int) bool {
	if s.is(i, "++", "--") {
		return true
	}
	if i == 0 || s.tokens[i-1].kind == mark && !s.is(i-1, ")", "]") {
		return false
	}
	return !s.is(i-1, "return", "case")
}

// condition edits one: of an if, a loop or a return.
func (s *source) condition(at span) {
	if at.from >= at.to {
		return
	}
	whole := s.of(at)
	s.replace("condition", at, "!("+whole+")")
	for _, marks := range []string{"||", "&&"} {
		parts := s.split(at, marks)
		if len(parts) < 2 {
			continue
		}
		for n := range parts {
			var rest []string
			for m, p := range parts {
				if m != n {
					rest = append(rest, s.of(p))
				}
			}
			s.replace("condition left out", at, strings.Join(rest, " "+marks+" "))
		}
		return
	}
}

// arguments swaps those of a call whose opening bracket is token i, and leaves them out one at a time.
func (s *source) arguments(i int) {
	end, ok := s.match[i]
	if !ok {
		return
	}
	parts := s.split(span{i + 1, end}, ",")
	for n := 1; n < len(parts); n++ {
		a, b := parts[n-1], parts[n]
		s.replace("arguments swapped", span{a.from, b.to}, s.of(b)+", "+s.of(a))
	}
}

// names puts one in place of another: fields for fields, variables for variables. Those that are
// called, and those that keep says no to, stay.
func (s *source) names(within []span, keep func(string) bool) {
	for _, at := range within {
		var fields, others []string
		field := func(i int) bool { return s.is(i-1, ".", "->") }
		use := func(i int) bool {
			return s.tokens[i].kind == name && !s.is(i+1, "(") && !s.is(i+1, ".") && !keep(s.tokens[i].text)
		}
		for i := at.from; i < at.to; i++ {
			switch n := s.tokens[i].text; {
			case !use(i):
			case field(i) && !slices.Contains(fields, n):
				fields = append(fields, n)
			case !field(i) && !slices.Contains(others, n):
				others = append(others, n)
			}
		}
		for i := at.from; i < at.to; i++ {
			if !use(i) {
				continue
			}
			list := others
			if field(i) {
				list = fields
			}
			n := slices.Index(list, s.tokens[i].text)
			for step := 1; step <= 3 && step < len(list); step++ { // of many, the next few
				s.token("name", i, list[(n+step)%len(list)])
			}
		}
	}
}
