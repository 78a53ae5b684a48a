// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// A BPF program needs macros, conditions and headers. It does not need the parts of C that
// read files by a name that is computed, that are not text, or that lie somewhere on the
// machine: those would let a submission depend on, and print, what it is not made of. clang
// runs in a sandbox that denies it such files. scan says where a source asks for one, and
// finds the headers that are to be copied.

// include is a header that a source names in quotes.
type include struct {
	name string
	line int
}

// directives are those that a source may have, conditions beside.
var directives = map[string]bool{
	"define": true, "undef": true, "include": true, "pragma": true, "error": true, "warning": true, "ident": true,
	"if": true, "ifdef": true, "ifndef": true, "elif": true, "elifdef": true, "elifndef": true, "else": true, "endif": true,
}

// pragmas are those that a source may have, and none that names a file, a section or a symbol.
var pragmas = regexp.MustCompile(`^(once|unroll|nounroll|pack|push_macro|pop_macro|message|weak|` +
	`(GCC|clang) +(diagnostic|unroll|poison|system_header|warning|error|loop|attribute|fp|optimize)|STDC)\b`)

// headerName is what a header may be called.
var headerName = regexp.MustCompile(`^[A-Za-z0-9_+][A-Za-z0-9_+.-]*(/[A-Za-z0-9_+][A-Za-z0-9_+.-]*)*$`)

// scan reads a C source as a preprocessor would, conditions aside, and returns the headers
// that it names in quotes, and what is refused. It knows nothing of macros.
func scan(text []byte) (includes []include, refused []Diagnostic) {
	l := newLexer(text)
	s := &scanner{lexer: l}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		s.refuse(1+bytes.Count(text[:i], []byte("\n")), "a NUL byte: a source must be text")
		return nil, s.refused
	}
	for _, trigraph := range []string{"??=", "??/"} {
		if i := bytes.Index(text, []byte(trigraph)); i >= 0 {
			s.refuse(1+bytes.Count(text[:i], []byte("\n")), "%s: trigraphs are not allowed", trigraph)
			return nil, s.refused
		}
	}
	for {
		t := l.next()
		switch {
		case t.kind == end:
			return s.includes, s.refused
		case t.kind == punct && t.first && (t.text == "#" || t.text == "%:"):
			s.directive(t.line)
		case t.kind == word:
			s.word(t)
		case t.kind == raw:
			s.refuse(t.line, "raw string literals are not allowed")
		case t.kind == odd:
			s.refuse(t.line, "%s: a number cannot go on with a quote here", t.text)
		}
	}
}

// maxRefused is how many refusals are told.
const maxRefused = 20

type scanner struct {
	*lexer
	includes []include
	refused  []Diagnostic
}

func (s *scanner) refuse(line int, format string, args ...any) {
	if len(s.refused) < maxRefused {
		s.refused = append(s.refused, Diagnostic{Line: line, Column: 1, Severity: "error", Text: printable(fmt.Sprintf(format, args...))})
	}
}

// directive reads what follows a # that begins a line.
func (s *scanner) directive(line int) {
	t := s.peek()
	switch {
	case t.kind == end || t.first: // a # alone
		return
	case t.kind == word && (t.text == "include" || t.text == "import" || t.text == "include_next"):
		s.next()
		if t.text != "include" {
			s.refuse(line, "#%s is not allowed: use #include", t.text)
			return
		}
		s.header(line, "#include")
	case t.kind == word && t.text == "pragma":
		s.next()
		if text := strings.TrimSpace(s.rest()); !pragmas.MatchString(text) {
			s.refuse(line, "#pragma %.40s is not allowed in a submission", text)
		}
	case t.kind == word && t.text == "line", t.kind == number:
		s.refuse(line, "#line is not allowed: diagnostics must refer to the real source line")
	case t.kind == word && t.text == "embed":
		s.refuse(line, "#embed is not allowed: a submission is made of its source and its headers")
	case t.kind != word || !directives[t.text]:
		s.refuse(line, "#%.20s: this directive is not allowed in a submission", t.text)
	default:
		s.next()
	}
}

// word looks at an identifier that a preprocessor knows.
func (s *scanner) word(t lexeme) {
	switch t.text {
	case "__has_include", "__has_include_next", "__has_embed":
		if p := s.peek(); p.kind != punct || p.text != "(" || p.first {
			return // defined(__has_include)
		}
		s.next()
		if t.text != "__has_include" {
			s.refuse(t.line, "%s is not allowed in a submission", t.text)
			return
		}
		s.header(t.line, t.text)
	case "_Pragma":
		open := s.peek()
		if open.kind != punct || open.text != "(" {
			return
		}
		s.next()
		arg := s.peek()
		if arg.kind != str {
			s.refuse(t.line, "_Pragma of something else than a string is not allowed in a submission")
			return
		}
		if text := strings.TrimSpace(unquote(arg.text)); !pragmas.MatchString(text) {
			s.refuse(t.line, "_Pragma(%.40s) is not allowed in a submission", arg.text)
		}
	}
}

// header reads a header's name.
func (s *scanner) header(line int, what string) {
	name, quoted, ok := s.headerName()
	switch {
	case !ok:
		s.refuse(line, "%s of something else than <name> or \"name\" is not allowed: a submission names its headers", what)
	case strings.HasPrefix(name, "/"):
		s.refuse(line, "%s %q: a header's name cannot begin with a slash", what, name)
	case strings.Contains("/"+name+"/", "/../"):
		s.refuse(line, "%s %q: a header's name cannot leave its folder by \"..\"", what, name)
	case !headerName.MatchString(name):
		s.refuse(line, "%s %q: a header's name has letters, digits, and _ + - . / between them", what, name)
	case quoted:
		s.includes = append(s.includes, include{name, line})
	}
}
