// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// The assembler reads files too (.incbin, .include), and it is clang's own: an asm statement
// may hold any of its directives. A program needs none: a barrier, or an instruction, has no
// dot but in a number.

// assembler finds a dot that may begin a directive or become one: an operand may be put behind it.
var assembler = regexp.MustCompile(`\.([^0-9]|$)`)

// repeat is the one directive that makes no trouble, and long programs for tests.
var repeat = regexp.MustCompile(`\.(rept +[0-9]+|endr)\b`)

// marker is a line by which clang says where the next one comes from.
var marker = regexp.MustCompile(`^(\d+) ?"((?:[^"\\]|\\.)*)"`)

// refuseAsm looks at what clang's preprocessor made of a source for strings in asm that are
// more than instructions, and for pragmas that a macro made. files are the source and its
// headers: of other files a place means nothing to a student.
func refuseAsm(preprocessed []byte, source string, files sources) (refused []Diagnostic) {
	l := newLexer(preprocessed)
	file, shift := filepath.Base(source), 0 // of the next lines
	refuse := func(line int, format string, args ...any) {
		if len(refused) < maxRefused {
			refused = append(refused, Diagnostic{File: file, Line: line + shift, Column: 1, Severity: "error", Text: printable(fmt.Sprintf(format, args...))})
		}
	}
	// A line that clang has put there, not the source.
	line := func(t lexeme) {
		text := l.rest()
		if m := marker.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[1])
			if name := filepath.Clean(unquote(`"` + m[2] + `"`)); files[name] != nil {
				file = name
				shift = n - (t.line + 1)
			}
			return
		}
		if text, ok := strings.CutPrefix(text, "pragma"); ok && !pragmas.MatchString(strings.TrimSpace(text)) {
			refuse(t.line, "#pragma %.40s is not allowed in a submission", strings.TrimSpace(text))
		}
	}
	next := func() lexeme { // past such lines
		for {
			t := l.next()
			if t.kind != punct || t.text != "#" || !t.first {
				return t
			}
			line(t)
		}
	}
	for t := next(); t.kind != end; t = next() {
		if t.kind != word || t.text != "asm" && t.text != "__asm" && t.text != "__asm__" {
			continue
		}
		at := t.line
		for t = next(); t.kind == word; t = next() { // volatile, goto, inline
		}
		if t.text != "(" {
			continue
		}
		var text strings.Builder // of adjacent strings
		for depth := 1; depth > 0 && t.kind != end; {
			t = next()
			if t.kind == str {
				text.WriteString(unquote(t.text))
				continue
			}
			if assembler.MatchString(repeat.ReplaceAllString(text.String(), " ")) {
				refuse(at, "asm(%.40q): assembler directives, and symbols with a dot, are not allowed in a submission", text.String())
				break
			}
			text.Reset()
			switch t.text {
			case "(":
				depth++
			case ")":
				depth--
			}
		}
	}
	return withPath(refused, source)
}
