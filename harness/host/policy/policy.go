// SPDX-License-Identifier: Apache-2.0

// Package policy says what a submission may contain, before any of it reaches
// a kernel.
//
// The verifier protects the kernel; a policy protects the lab. It refuses what
// would load but could reach beyond the program that is graded, and it is
// checked on the host, on bytes that came from a stranger.
package policy

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/hashicorp/go-multierror"
)

// A Policy is what one lab's object must define and may use. The zero value
// allows nothing.
type Policy struct {
	Programs  []Program  // exactly these
	Maps      []Map      // at least these
	Variables []Variable // at least these

	// Maps beyond those in Maps and the implicit ones of global variables:
	// which types they may have. Empty means that there may be none.
	OtherMaps []ebpf.MapType

	MaxMaps     int    // all maps, implicit ones included
	MaxMapBytes uint64 // memory of all maps, per-CPU ones counted for 4 CPUs

	Helpers []asm.BuiltinFunc // allowed helper calls
	Kfuncs  []string          // allowed kernel functions

	MaxInstructions int // of one program with its functions
}

// A Program must be defined.
type Program struct {
	Name    string
	Section string // as in SEC()
	Type    ebpf.ProgramType
}

// A Map must be defined.
type Map struct {
	Name       string
	KeySize    uint32 // in bytes
	ValueSize  uint32 // in bytes
	Types      []ebpf.MapType
	MinEntries uint32
	MaxEntries uint32 // 0 means no limit but the memory's
}

// A Variable is a global that the harness sets or reads.
type Variable struct {
	Name  string
	Size  uint32 // in bytes
	Const bool   // must be const volatile, set before load
}

// Check parses an object and compares it with the policy. Nothing is loaded.
//
// The returned error, if any, is a [*Violations] that lists everything found.
// An object that cannot be parsed is a violation as well: clang made it from
// the submission. Whatever elf holds, Check neither panics nor uses more than
// about 300 MiB.
func (p Policy) Check(elf []byte) (*ebpf.CollectionSpec, error) {
	v := newViolations()
	object, err := inspect(elf)
	if err != nil {
		v.add("", "object", "a BPF object that clang made from one C file", err.Error(), "remove inline assembly and section attributes that clang did not need")
		return nil, v
	}

	// Externs come first: the parser gives up on some of them.
	for _, name := range object.externs {
		if !slices.Contains(p.Kfuncs, name) {
			v.add("", "extern "+name, allowed("kernel functions", p.Kfuncs), "a reference to the kernel's "+name, "do without it")
		}
	}

	spec, err := Parse(elf)
	if err != nil {
		if v.empty() {
			v.add("", "object", "an object that cilium/ebpf can load", err.Error(), "compare its SEC() names and map definitions with the starter's")
		}
		return nil, v
	}

	p.checkPrograms(v, spec, object)
	p.checkMaps(v, spec, object)
	p.checkVariables(v, spec, object)
	if !v.empty() {
		return nil, v
	}
	return spec, nil
}

// Parse parses an object. It guards against panics, since the parser was written for one's own objects, and not against
// what else a hostile one may do: Check bounds that first.
func Parse(elf []byte) (spec *ebpf.CollectionSpec, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged object: %v", r)
		}
	}()
	spec, err = ebpf.LoadCollectionSpecFromReader(bytes.NewReader(elf))
	return spec, err
}

func (p Policy) checkVariables(v *Violations, spec *ebpf.CollectionSpec, o *object) {
	for _, want := range p.Variables {
		subject := "variable " + want.Name
		decl := fmt.Sprintf("a global of %d bytes", want.Size)
		if want.Const {
			decl += ", const volatile"
		}
		got := spec.Variables[want.Name]
		if got == nil {
			found, remedy := "none of that name", "declare it as the starter does"
			if o.static[want.Name] {
				found, remedy = "a static one", "remove static, so that the grader sees it"
			} else if other := p.otherVariable(spec, want); other != "" {
				found, remedy = other, "rename it to "+want.Name
			}
			v.add("", subject, decl, found, remedy)
			continue
		}
		if got.Size() != want.Size {
			v.add("", subject, decl, fmt.Sprintf("%d bytes", got.Size()), "declare it as the starter does")
		}
		if want.Const != strings.HasPrefix(got.SectionName, ".rodata") {
			found, remedy := "one in "+got.SectionName, "declare it as the starter does"
			if !want.Const {
				found, remedy = "a const one", "user space writes it while the program runs, so remove const"
			}
			v.add("", subject, decl, found, remedy)
		}
	}
}

// otherVariable returns the variable of a size and kind that the policy does not know, if there is just one.
func (p Policy) otherVariable(spec *ebpf.CollectionSpec, want Variable) (name string) {
	for _, other := range sortedKeys(spec.Variables) {
		got := spec.Variables[other]
		known := slices.ContainsFunc(p.Variables, func(want Variable) bool { return want.Name == other })
		switch {
		case known || got.Size() != want.Size || want.Const != strings.HasPrefix(got.SectionName, ".rodata"):
		case name != "":
			return ""
		default:
			name = other
		}
	}
	return name
}

// A Violation is one thing that a submission must not or must contain.
type Violation struct {
	Source   string // file:line, if known
	Subject  string // such as "map counts"
	Expected string
	Found    string
	Remedy   string
}

// Error returns one line: where, what was expected, what was found, what to do.
func (v *Violation) Error() string {
	s := fmt.Sprintf("%s: expected %s, found %s: %s", v.Subject, v.Expected, v.Found, v.Remedy)
	if v.Source != "" {
		s = v.Source + ": " + s
	}
	return s
}

// Violations is everything wrong with a submission.
type Violations struct {
	list multierror.Error
}

// Error lists the violations, one a line.
func (v *Violations) Error() string { return v.list.Error() }

// Unwrap lets errors.As find the single violations.
func (v *Violations) Unwrap() error { return v.list.Unwrap() }

// WrappedErrors returns the violations in the order found, each a
// [*Violation].
func (v *Violations) WrappedErrors() []error { return v.list.WrappedErrors() }

func newViolations() *Violations {
	return &Violations{multierror.Error{ErrorFormat: func(errs []error) string {
		lines := make([]string, 0, len(errs))
		for _, err := range errs {
			lines = append(lines, err.Error())
		}
		return strings.Join(lines, "\n")
	}}}
}

func (v *Violations) empty() bool { return len(v.list.Errors) == 0 }

func (v *Violations) add(source, subject, expected, found, remedy string) {
	const maxFound = 500 // some of the parser's errors print whole types
	if len(found) > maxFound {
		found = strings.ToValidUTF8(found[:maxFound], "") + "…"
	}
	v.list.Errors = append(v.list.Errors, &Violation{source, subject, expected, found, remedy})
}

// allowed describes an allow-list.
func allowed[T any](what string, list []T) string {
	if len(list) == 0 {
		return "no " + what
	}
	names := make([]string, 0, len(list))
	for _, item := range list {
		names = append(names, fmt.Sprint(item))
	}
	return "only the " + what + " " + strings.Join(names, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
