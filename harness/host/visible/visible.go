// SPDX-License-Identifier: Apache-2.0

// Package visible makes text that bpflab did not write harmless where it is shown: what a
// submission, a guest or a receipt says may move a terminal's cursor, turn its text around, or
// look like a report.
package visible

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Line makes a text one line in which nothing is hidden: all that does not print is spelt out,
// as JSON spells it, the ends of lines included.
func Line(text string) string { return escape(text, "") }

// Lines does the same with each line of a text.
func Lines(text string) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = escape(line, "\t")
	}
	return lines
}

// Mark stands before each line that somebody else wrote, so that none passes for one of ours.
const Mark = "│ "

// Quote is a text whose lines after the first are marked. The first one follows words of ours.
func Quote(text string) string { return strings.Join(Lines(text), "\n"+Mark) }

// escape spells out what does not print, except for the characters in keep.
func escape(text, keep string) string {
	if clean(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case prints(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[n:]
	}
	return b.String()
}

// clean reports whether a text is of printing ASCII only, as most are.
func clean(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// prints reports whether a character shows, and does nothing else.
func prints(r rune) bool {
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Writer spells out what does not print, except for ends of lines and tabs. JSON and XML that
// pass through it mean the same as before, and text that bpflab has cleaned, and coloured, goes
// past it: see Trusted.
type Writer struct {
	mu   sync.Mutex
	w    io.Writer
	rest []byte // of a character that the next Write may complete
}

// NewWriter returns a Writer that writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write writes all of p or fails.
func (v *Writer) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	text := append(v.rest, p...)
	whole := len(text)
	for i := max(0, whole-utf8.UTFMax+1); i < whole; i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			whole = i
			break
		}
	}
	v.rest = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(v.w, escape(string(text[:whole]), "\n\t")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Trusted is what a Writer writes to, for text in which nothing of others is left as it was; any
// other writer is returned.
func Trusted(w io.Writer) io.Writer {
	if v, ok := w.(*Writer); ok {
		return v.w
	}
	return w
}
