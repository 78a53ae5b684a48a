// SPDX-License-Identifier: Apache-2.0

// Package fields says what a kernel's types have in place of a field, type or value that a program names and the kernel
// lacks: a member that was renamed, moved into another struct or given another type.
package fields

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/cilium/ebpf/btf"
)

// most is how many names are proposed.
const most = 3

// Instead says in a sentence what a kernel has in place of what verifier.Report.Relocation names, such as
// "task_struct.state" or "bpf_func_id.BPF_FUNC_x". It is never empty.
func Instead(kernel *btf.Spec, name string) string {
	path := strings.Split(name, ".")
	path[0], _, _ = strings.Cut(path[0], "___") // another version of a type has the type's name before that
	typ := find(kernel, path[0])
	if typ == nil {
		text := fmt.Sprintf("this kernel has no type %s", path[0])
		if like := similarTypes(kernel, path[0]); len(like) > 0 {
			text += "; it has " + list(like)
		}
		return text
	}
	for i, part := range path[1:] {
		where := spelled(typ)
		if enum, ok := typ.(*btf.Enum); ok {
			return missingValue(enum, where, part)
		}
		all := members(typ)
		at := slices.IndexFunc(all, func(m btf.Member) bool { return m.Name == part })
		if at < 0 {
			return missingMember(typ, where, part)
		}
		if i == len(path)-2 {
			return fmt.Sprintf("%s of this kernel has a member %s, and it is of another type than in the program: %s", where, part, spelled(all[at].Type))
		}
		typ = resolved(all[at].Type)
	}
	return fmt.Sprintf("this kernel has %s, which is not as the program declares it", spelled(typ))
}

// find returns the struct, union or enumeration of a name, or what a typedef of that name stands for.
func find(kernel *btf.Spec, name string) btf.Type {
	types, err := kernel.AnyTypesByName(name)
	if err != nil {
		return nil
	}
	var other btf.Type
	for _, t := range types {
		switch t := resolved(t).(type) {
		case *btf.Struct, *btf.Union, *btf.Enum:
			return t
		case *btf.Fwd, *btf.Func, *btf.Var:
		default:
			other = t
		}
	}
	return other
}

// resolved follows typedefs, qualifiers, and arrays to their elements.
func resolved(t btf.Type) btf.Type {
	for range 16 {
		t = btf.UnderlyingType(t)
		a, ok := t.(*btf.Array)
		if !ok {
			break
		}
		t = a.Type
	}
	return t
}

// members returns those of a struct or union, with those of nameless structs in it.
func members(t btf.Type) []btf.Member { return membersWithin(t, 8) }

func membersWithin(t btf.Type, depth int) (all []btf.Member) {
	var own []btf.Member
	switch t := t.(type) {
	case *btf.Struct:
		own = t.Members
	case *btf.Union:
		own = t.Members
	}
	for _, m := range own {
		if m.Name == "" && depth > 0 {
			all = append(all, membersWithin(resolved(m.Type), depth-1)...)
		} else if m.Name != "" {
			all = append(all, m)
		}
	}
	return all
}

func missingMember(typ btf.Type, where, name string) string {
	text := fmt.Sprintf("%s of this kernel has no member %s", where, name)
	all := members(typ)
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
	}
	like, near := similar(name, names)
	for i, n := range like {
		like[i] = fmt.Sprintf("%s (%s)", n, spelled(all[slices.Index(names, n)].Type))
	}
	var moved []string
	if !near {
		moved = within(all, name)
	}
	if _, bare, ok := strings.Cut(name, "_"); ok && len(like)+len(moved) == 0 {
		moved = within(all, bare) // without the prefix of the struct's members: rq_disk
	}
	if like = slices.Concat(moved, like); len(like) > 0 {
		text += "; it has " + list(like[:min(len(like), most)])
	}
	return text
}

// within finds the members of that name in the structs that a struct holds or, if there is none, points to.
func within(all []btf.Member, name string) (found []string) {
	for _, pointed := range []bool{false, true} {
		if len(found) > 0 {
			break
		}
		for _, m := range all {
			t := resolved(m.Type)
			p, isPointer := t.(*btf.Pointer)
			if isPointer != pointed {
				continue
			}
			by := "."
			if isPointer {
				t, by = resolved(p.Target), "->"
			}
			for _, inner := range members(t) {
				if inner.Name == name && len(found) < most {
					found = append(found, fmt.Sprintf("%s%s%s (%s, in %s)", m.Name, by, name, spelled(inner.Type), spelled(t)))
				}
			}
		}
	}
	return found
}

func missingValue(enum *btf.Enum, where, name string) string {
	text := fmt.Sprintf("%s of this kernel has no %s", where, name)
	var names []string
	for _, v := range enum.Values {
		names = append(names, v.Name)
	}
	if like, _ := similar(name, names); len(like) > 0 {
		text += "; it has " + list(like)
	}
	return text
}

// similarTypes returns the kernel's structs, unions and enumerations of a similar name.
func similarTypes(kernel *btf.Spec, name string) []string {
	types := map[string]btf.Type{}
	var names []string
	for t, err := range kernel.All() {
		if err != nil {
			return nil
		}
		switch t.(type) {
		case *btf.Struct, *btf.Union, *btf.Enum:
			if n := t.TypeName(); n != "" && types[n] == nil {
				types[n] = t
				names = append(names, n)
			}
		}
	}
	like, _ := similar(name, names)
	for i, n := range like {
		like[i] = spelled(types[n])
	}
	return like
}

// similar returns the names that are most like one: the same but for underscores, or few letters apart, or with one as a
// part of the other. near is whether the first is the same or few letters apart.
func similar(name string, names []string) (like []string, near bool) {
	const far = 100
	type candidate struct {
		name string
		rank int
	}
	var all []candidate
	bare := strings.Trim(name, "_")
	for _, n := range names {
		other := strings.Trim(n, "_")
		d := far
		if max(len(bare)-len(other), len(other)-len(bare)) <= len(bare)/4 {
			d = levenshtein.ComputeDistance(bare, other)
		}
		switch {
		case n == name || other == "":
		case other == bare:
			all = append(all, candidate{n, 0})
		case d <= len(bare)/4:
			all = append(all, candidate{n, d})
		case partOf(bare, other):
			all = append(all, candidate{n, far + max(len(other)-len(bare), len(bare)-len(other))})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Or(a.rank-b.rank, strings.Compare(a.name, b.name)) })
	for _, c := range all[:min(len(all), most)] {
		// Beside the name itself, with other underscores, nothing else is meant.
		if len(like) > 0 && all[0].rank == 0 && c.rank > 0 {
			break
		}
		like = append(like, c.name)
	}
	return like, len(all) > 0 && all[0].rank < far
}

// partOf reports whether one name is some whole words of the other: state and exit_state.
func partOf(a, b string) bool {
	const least = 3
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) >= least && strings.Contains("_"+b+"_", "_"+a+"_")
}

// spelled is a type as C spells it: "struct task_struct *".
func spelled(t btf.Type) string { return spelledWithin(t, 8) }

func spelledWithin(t btf.Type, depth int) string {
	if depth == 0 {
		return "…"
	}
	word := func(kind string) string {
		if t.TypeName() == "" {
			return "a nameless " + kind
		}
		return kind + " " + t.TypeName()
	}
	switch t := t.(type) {
	case nil, *btf.Void:
		return "void"
	case *btf.Struct:
		return word("struct")
	case *btf.Union:
		return word("union")
	case *btf.Enum:
		return word("enum")
	case *btf.Fwd:
		return t.Kind.String() + " " + t.Name
	case *btf.Pointer:
		if _, ok := btf.UnderlyingType(t.Target).(*btf.FuncProto); ok {
			return "a pointer to a function"
		}
		return strings.TrimSuffix(spelledWithin(t.Target, depth-1), " ") + " *"
	case *btf.Array:
		return fmt.Sprintf("%s[%d]", spelledWithin(t.Type, depth-1), t.Nelems)
	case *btf.Const:
		return "const " + spelledWithin(t.Type, depth-1)
	case *btf.Volatile:
		return "volatile " + spelledWithin(t.Type, depth-1)
	case *btf.Restrict:
		return spelledWithin(t.Type, depth-1)
	case *btf.TypeTag:
		return spelledWithin(t.Type, depth-1)
	}
	return cmp.Or(t.TypeName(), "a nameless type")
}

// list is "a, b and c".
func list(names []string) string {
	if n := len(names) - 1; n > 0 {
		return strings.Join(names[:n], ", ") + " and " + names[n]
	}
	return names[0]
}
