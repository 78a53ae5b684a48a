// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
)

// library are the packages of the standard library that a submission's Go program may import:
// those that compute, wait, and read and write what a process has. What starts processes,
// opens sockets, loads code or reads the build is not there, and nothing that a guest's
// program has no use for.
var library = []string{
	"bufio", "bytes", "cmp", "container/heap", "container/list", "container/ring", "context",
	"encoding", "encoding/base64", "encoding/binary", "encoding/hex", "encoding/json", "errors", "fmt",
	"hash", "hash/adler32", "hash/crc32", "hash/crc64", "hash/fnv", "hash/maphash",
	"io", "io/fs", "iter", "log", "maps", "math", "math/big", "math/bits", "math/cmplx", "math/rand", "math/rand/v2",
	"os", "os/signal", "path", "path/filepath", "reflect", "regexp", "regexp/syntax", "runtime", "runtime/debug", "runtime/metrics",
	"slices", "sort", "strconv", "strings", "structs", "sync", "sync/atomic", "syscall", "text/tabwriter",
	"time", "unicode", "unicode/utf16", "unicode/utf8", "unique", "unsafe", "weak",
}

// goDirective finds comments that tell the compiler something, wherever they are: what looks
// like one, and is none, a submission can do without.
var goDirective = regexp.MustCompile(`//go:[^\r\n]*`)

// lineDirective finds comments that move the place of messages.
var lineDirective = regexp.MustCompile(`(?m)^//line .*:\d+\r?$|/\*line [^*\n]*:\d+\*/`)

// goDirectives are the directives that a submission may have.
var goDirectives = regexp.MustCompile(`^//go:(build ignore|noinline|nosplit|norace|nocheckptr|generate .*)\s*$`)

// checkGo looks at a submission's Go program before a compiler does, and says where it asks
// for more than it may have: imports beyond the library and some packages, directives, C.
// Of text that is not Go it says nothing, as the compiler says it better; broken is what the
// parser makes of it then.
func checkGo(source string, text []byte, packages []string) (refused []Diagnostic, broken error) {
	refuse := func(line, column int, format string, args ...any) {
		if len(refused) < maxRefused {
			refused = append(refused, Diagnostic{File: source, Line: line, Column: column, Severity: "error", Text: printable(fmt.Sprintf(format, args...))})
		}
	}
	raw := func(find *regexp.Regexp, allowed func(string) bool, format string) {
		for _, at := range find.FindAllIndex(text, -1) {
			if len(refused) == maxRefused {
				return
			}
			if found := string(text[at[0]:at[1]]); !allowed(found) {
				refuse(1+strings.Count(string(text[:at[0]]), "\n"), at[0]-strings.LastIndexByte(string(text[:at[0]]), '\n'), format, strings.TrimSpace(found))
			}
		}
	}
	raw(goDirective, goDirectives.MatchString, "%.60s is not allowed: the //go: directives allowed in a submission are build ignore, noinline, nosplit, norace, nocheckptr and generate")
	raw(lineDirective, func(string) bool { return false }, "%.60s is not allowed: diagnostics must refer to the real source line")

	set := token.NewFileSet()
	file, broken := parser.ParseFile(set, source, text, parser.SkipObjectResolution)
	if file == nil {
		return refused, broken
	}
	place := func(p token.Pos) (line, column int) {
		at := set.PositionFor(p, false)
		return at.Line, at.Column
	}
	if name := file.Name.Name; broken == nil && name != "main" {
		line, column := place(file.Name.Pos())
		refuse(line, column, "package %s: a submission's Go program is package main", name)
	}
	told := false // what may be imported: it is a long list
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		line, column := place(spec.Path.Pos())
		switch {
		case path == "C":
			refuse(line, column, `import "C": there is no C in a submission's Go program`)
		case !slices.Contains(library, path) && !slices.Contains(packages, path):
			text := "that is not one of these"
			if !told {
				text = "a submission's Go program may import " + strings.Join(append(slices.Clone(packages), "of the standard library "+library[0]), ", ")
				text += ", " + strings.Join(library[1:], ", ")
			}
			if meant := nearest(path, slices.Concat(packages, library)); meant != "" {
				text = fmt.Sprintf("did you mean %q? %s", meant, text)
			}
			told = true
			refuse(line, column, "import %q: %s", path, text)
		}
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body == nil && broken == nil {
			line, column := place(f.Pos())
			refuse(line, column, "func %s has no body: there is no assembly in a submission's Go program", f.Name.Name)
		}
	}
	return refused, broken
}

// nearest returns the name that path was probably meant to be, or nothing.
func nearest(path string, names []string) (best string) {
	const far = 3 // more than two letters away is no slip; in a name of three, more than one
	least := far
	for _, name := range names {
		d := far
		if max(len(path)-len(name), len(name)-len(path)) < far { // a path may be as long as its file
			d = levenshtein.ComputeDistance(strings.ToLower(path), name)
		}
		if d > (len(path)+2)/3 {
			d = far
		}
		if last := path[strings.LastIndexByte(path, '/')+1:]; last != "" && last == name[strings.LastIndexByte(name, '/')+1:] {
			d = min(d, far-1) // in another folder
		}
		if d < least && d < len(name) {
			best, least = name, d
		}
	}
	return best
}
