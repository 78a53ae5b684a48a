// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"strconv"
	"strings"
)

// kind is a token's.
type kind int

const (
	end    kind = iota
	word        // an identifier
	number      // a preprocessing number
	str         // a string literal, prefix and quotes included
	char        // a character literal, or what may be one
	raw         // a raw string's beginning
	odd         // a number or word with a quote in it
	punct       // a byte, or %:
)

type lexeme struct {
	kind  kind
	text  string
	line  int
	first bool // of its line
}

// lexer takes C apart, as clang does: lines that a backslash joins are one, comments are
// white space, and a literal that does not end, ends with its line.
type lexer struct {
	text  []byte
	lines []int32 // of each byte
	pos   int
	first bool // only white space was seen in this line
}

// newLexer joins lines and makes all ends of lines alike.
func newLexer(text []byte) *lexer {
	l := &lexer{first: true, text: make([]byte, 0, len(text)), lines: make([]int32, 0, len(text))}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	line := int32(1)
	newline := func(i int) int { // length of the one at i
		switch {
		case i < len(text) && text[i] == '\n':
			return 1
		case i+1 < len(text) && text[i] == '\r' && text[i+1] == '\n':
			return 2
		case i < len(text) && text[i] == '\r':
			return 1
		}
		return 0
	}
	for i := 0; i < len(text); {
		if text[i] == '\\' {
			j := i + 1
			for j < len(text) && horizontal(text[j]) {
				j++
			}
			if n := newline(j); n > 0 {
				i = j + n
				line++
				continue
			}
		}
		c, n := text[i], newline(i)
		if n > 0 {
			c = '\n'
		}
		l.text, l.lines = append(l.text, c), append(l.lines, line)
		if n > 0 {
			line++
		}
		i += max(n, 1)
	}
	return l
}

func horizontal(c byte) bool { return c == ' ' || c == '\t' || c == '\f' || c == '\v' }

func isWord(c byte) bool {
	return c == '_' || c == '$' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// has reports whether text begins with s here.
func (l *lexer) has(s string) bool { return bytes.HasPrefix(l.text[l.pos:], []byte(s)) }

// line is that of the current byte.
func (l *lexer) line() int {
	switch {
	case l.pos < len(l.lines):
		return int(l.lines[l.pos])
	case len(l.lines) > 0:
		return int(l.lines[len(l.lines)-1])
	}
	return 1
}

// space goes past white space and comments, at most to the end of a line if within is set, and
// reports whether it ended there.
func (l *lexer) space(within bool) {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case c == '\n':
			if within {
				return
			}
			l.first = true
			l.pos++
		case horizontal(c), c >= 0x80: // some of these are white space to clang
			l.pos++
		case l.has("/*"):
			n := bytes.Index(l.text[l.pos+2:], []byte("*/"))
			if n < 0 {
				l.pos = len(l.text)
				return
			}
			l.pos += n + 4
		case l.has("//"):
			n := bytes.IndexByte(l.text[l.pos:], '\n')
			if n < 0 {
				n = len(l.text) - l.pos
			}
			l.pos += n
		default:
			return
		}
	}
}

// next returns the next token, wherever it is.
func (l *lexer) next() lexeme {
	l.space(false)
	t := lexeme{kind: end, line: l.line(), first: l.first}
	if l.pos == len(l.text) {
		return t
	}
	l.first = false
	start := l.pos
	switch c := l.text[l.pos]; {
	case c == '"' || c == '\'':
		t.kind = l.literal(c)
	case '0' <= c && c <= '9', c == '.' && l.pos+1 < len(l.text) && '0' <= l.text[l.pos+1] && l.text[l.pos+1] <= '9':
		t.kind = number
		for l.pos < len(l.text) {
			c := l.text[l.pos]
			sign := (c == '+' || c == '-') && l.pos > start && strings.IndexByte("eEpP", l.text[l.pos-1]) >= 0
			if !isWord(c) && c != '.' && !sign {
				break
			}
			l.pos++
		}
		if l.has("'") {
			t.kind = odd
		}
	case isWord(c):
		t.kind = word
		for l.pos < len(l.text) && isWord(l.text[l.pos]) {
			l.pos++
		}
		prefix := string(l.text[start:l.pos])
		switch prefix {
		case "L", "u", "U", "u8":
			if l.has(`"`) || l.has("'") {
				t.kind = l.literal(l.text[l.pos])
			}
		case "R", "LR", "uR", "UR", "u8R":
			if l.has(`"`) {
				t.kind = raw
			}
		}
	case l.has("%:"):
		t.kind = punct
		l.pos += 2
	default:
		t.kind = punct
		l.pos++
	}
	t.text = string(l.text[start:l.pos])
	return t
}

// literal goes past one that begins here.
func (l *lexer) literal(quote byte) kind {
	for l.pos++; l.pos < len(l.text) && l.text[l.pos] != '\n'; l.pos++ {
		switch l.text[l.pos] {
		case '\\':
			if l.pos+1 < len(l.text) && l.text[l.pos+1] != '\n' {
				l.pos++
			}
		case quote:
			l.pos++
			if quote == '"' {
				return str
			}
			return char
		}
	}
	return char // it does not end: no compiler takes it for a string
}

// peek returns the next token and does not go past it.
func (l *lexer) peek() lexeme {
	pos, first := l.pos, l.first
	t := l.next()
	l.pos, l.first = pos, first
	return t
}

// rest returns what is left of the line, without comments, and goes past it.
func (l *lexer) rest() string {
	var b strings.Builder
	for {
		if l.space(true); l.pos == len(l.text) || l.text[l.pos] == '\n' {
			return b.String()
		}
		before := l.pos
		t := l.next()
		if before > 0 && b.Len() > 0 && (horizontal(l.text[before-1]) || l.text[before-1] == '/') {
			b.WriteByte(' ')
		}
		b.WriteString(t.text)
	}
}

// headerName reads <name> or "name", in this line, as it stands.
func (l *lexer) headerName() (name string, quoted, ok bool) {
	l.space(true)
	if l.pos == len(l.text) {
		return "", false, false
	}
	closing := byte('>')
	switch l.text[l.pos] {
	case '"':
		closing, quoted = '"', true
	case '<':
	default:
		return "", false, false
	}
	rest := l.text[l.pos+1:]
	n := bytes.IndexByte(rest, closing)
	if eol := bytes.IndexByte(rest, '\n'); n < 0 || eol >= 0 && eol < n {
		return "", false, false
	}
	l.first = false
	l.pos += n + 2
	return string(rest[:n]), quoted, true
}

// unquote returns what a string literal stands for.
func unquote(literal string) string {
	body := literal[strings.IndexByte(literal, '"')+1:]
	body = strings.TrimSuffix(body, `"`)
	var b strings.Builder
	for len(body) > 0 {
		if body[0] != '\\' || len(body) == 1 {
			b.WriteByte(body[0])
			body = body[1:]
			continue
		}
		digits := func(from, most, base int) { // an escape by number
			n := from
			for n < len(body) && n-from < most && strings.IndexByte("0123456789abcdefABCDEF"[:map[int]int{8: 8, 16: 22}[base]], body[n]) >= 0 {
				n++
			}
			v, _ := strconv.ParseUint(body[from:n], base, 32)
			if v < 0x80 {
				b.WriteByte(byte(v))
			} else {
				b.WriteRune(rune(v))
			}
			body = body[n:]
		}
		switch c := body[1]; c {
		case 'x':
			digits(2, 8, 16)
		case 'u':
			digits(2, 4, 16)
		case 'U':
			digits(2, 8, 16)
		case '0', '1', '2', '3', '4', '5', '6', '7':
			digits(1, 3, 8)
		default:
			if i := strings.IndexByte("abfnrtv", c); i >= 0 {
				c = "\a\b\f\n\r\t\v"[i]
			}
			b.WriteByte(c)
			body = body[2:]
		}
	}
	return b.String()
}
