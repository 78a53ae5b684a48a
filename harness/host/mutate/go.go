// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	gotoken "go/token"
	"slices"
	"strconv"
	"strings"
)

// Go returns the edits of a Go program's functions. It fails for one that cannot be parsed.
func Go(program string) ([]Edit, error) {
	files := gotoken.NewFileSet()
	file, err := parser.ParseFile(files, "", program, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("edit a Go program: %w", err)
	}
	s := newSource(program, scanGo(program))
	// at are the tokens of a node.
	at := func(n ast.Node) span {
		from, to := files.Position(n.Pos()).Offset, files.Position(n.End()).Offset
		at := span{len(s.tokens), 0}
		for i, t := range s.tokens {
			if t.start >= from && t.end <= to {
				at.from, at.to = min(at.from, i), max(at.to, i+1)
			}
		}
		return at
	}
	var bodies []span
	edited := func(i int) bool {
		return slices.ContainsFunc(bodies, func(b span) bool { return b.from <= i && i < b.to })
	}
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && (g.Tok == gotoken.IMPORT || g.Tok == gotoken.TYPE) {
			continue
		}
		bodies = append(bodies, at(d))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			for _, one := range n.List {
				s.replace("statement left out", at(one), "")
				if _, returns := one.(*ast.ReturnStmt); !returns {
					s.replace("statement twice", at(one), s.of(at(one))+"\n"+s.of(at(one)))
				}
			}
		case *ast.IfStmt:
			s.condition(at(n.Cond))
			s.replace("condition", at(n.Cond), "true")
			s.replace("condition", at(n.Cond), "false")
			s.replace("condition left out", at(n), s.of(at(n.Body)))
		case *ast.ForStmt:
			if n.Cond != nil {
				s.condition(at(n.Cond))
				s.replace("condition", at(n.Cond), "true")
				s.replace("condition", at(n.Cond), "false")
			}
		case *ast.ReturnStmt:
			for _, r := range n.Results {
				for _, by := range []string{"nil", "true", "false", "0", "-1", "1", "42", "1e300", "context.Canceled", "float64(len(os.Args))"} {
					s.replace("returned value", at(r), by)
				}
			}
		case *ast.CallExpr:
			s.arguments(at(n.Fun).to)
		}
		return true
	})
	for i, t := range s.tokens {
		if !edited(i) {
			continue
		}
		s.operator(i)
		switch {
		case t.kind == number:
			s.constantGo(i)
		case s.is(i, "&", "*") && !s.binary(i):
			s.token("pointer", i, "")
		case t.kind == name:
			s.token("word", i, goAlternatives[t.text]...)
		}
	}
	var functions []span
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			functions = append(functions, at(f.Body))
		}
	}
	s.names(functions, func(word string) bool {
		return gotoken.IsKeyword(word) || word == "nil" || strings.HasPrefix(word, "float")
	})
	return s.edits, nil
}

func scanGo(program string) (tokens []token) {
	files := gotoken.NewFileSet()
	f := files.AddFile("", files.Base(), len(program))
	var sc scanner.Scanner
	sc.Init(f, []byte(program), nil, 0)
	for {
		pos, tok, lit := sc.Scan()
		if tok == gotoken.EOF {
			return tokens
		}
		t := token{kind: mark, text: lit, start: f.Offset(pos)}
		switch {
		case tok == gotoken.SEMICOLON && lit != ";": // the scanner's own
			continue
		case tok == gotoken.IDENT || tok.IsKeyword():
			t.kind = name
		case tok == gotoken.INT || tok == gotoken.FLOAT:
			t.kind = number
		case tok == gotoken.STRING || tok == gotoken.CHAR:
			t.kind = text
		default:
			t.text = tok.String()
		}
		t.end = t.start + len(t.text)
		tokens = append(tokens, t)
	}
}

// goAlternatives are what words may be exchanged for.
var goAlternatives = map[string][]string{
	"break": {"continue", "panic(1)"}, "continue": {"break", "return nil"}, "min": {"max"}, "max": {"min"}, "true": {"false"}, "false": {"true"},
	"Nanosecond": {"Microsecond", "Second"}, "Microsecond": {"Nanosecond", "Millisecond", "Second", "Hour"}, "Millisecond": {"Microsecond", "Second", "Hour"},
	"Consumed": {"Produced"}, "Produced": {"Consumed"}, "Busy": {"Discarded", "Length"}, "Discarded": {"Busy"}, "Length": {"Busy"},
	"Events": {"Sampled"}, "Sampled": {"Events"}, "MinRate": {"MaxRate"}, "MaxRate": {"MinRate"}, "int64": {"int32", "uint8"}, "float64": {"float32", "int64"},
	"LittleEndian": {"BigEndian"}, "if": {"for"}, "for": {"if"}, "HeaderSize": {"Size"}, "Mask": {"Size()"},
}

func (s *source) constantGo(i int) {
	t := s.tokens[i].text
	if n, err := strconv.ParseInt(t, 0, 64); err == nil {
		for _, other := range []int64{0, 1, -1, n - 1, n + 1, 2 * n, n / 2, 100 * n, 1 << 31, 1 << 62} {
			if other != n {
				s.token("constant", i, strconv.FormatInt(other, 10))
			}
		}
		return
	}
	s.token("constant", i, "0.0", "1.0", "-"+t, "2*"+t, t+"/2", "10*"+t, "100*"+t, t+"/100", "1e300", "5e-324")
}
