// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"bpflab/harness/job"
)

// Held is what a program's maps and variables hold, read by the types that its BTF gives them: a value is an integer, a
// bool, a string, a Struct, a list of such, or Hex.
type Held struct {
	Maps      []Map
	Variables []Variable
}

// Map is a map that a program names.
type Map struct {
	Name, Type string
	Entries    []Entry
	More       bool // it may hold others
}

// Entry is an entry of a map.
type Entry struct {
	Key    any
	Values []any // one, or one for each CPU
}

// Variable is a global variable.
type Variable struct {
	Name  string
	Value any
}

// Struct is a C structure.
type Struct []Variable

// Hex is a value as it lies in memory, or an address.
type Hex string

// MarshalJSON writes an object.
func (s Struct) MarshalJSON() ([]byte, error) {
	fields := map[string]any{}
	for _, f := range s {
		fields[f.Name] = f.Value
	}
	return json.Marshal(fields)
}

// Read reads what maps hold by an object's types. What a guest says is not trusted to be of that object.
func Read(spec *ebpf.CollectionSpec, maps []job.Map) (h Held) {
	r := &reader{left: maxValues}
	for _, m := range maps {
		of := spec.Maps[m.Name]
		if of == nil {
			continue
		}
		if section, ok := of.Value.(*btf.Datasec); ok {
			switch {
			case len(m.Entries) == 0 && !m.More:
				h.Variables = append(h.Variables, r.variables(section, make([]byte, of.ValueSize))...) // all zero
			case len(m.Entries) > 0 && len(m.Entries[0].Values) > 0:
				h.Variables = append(h.Variables, r.variables(section, m.Entries[0].Values[0])...)
			}
			continue
		}
		if strings.HasPrefix(m.Name, ".") { // literals
			continue
		}
		one := Map{Name: m.Name, Type: of.Type.String(), More: m.More}
		for _, e := range m.Entries {
			entry := Entry{Key: r.read(of.Key, e.Key, 0)}
			for _, v := range e.Values {
				entry.Values = append(entry.Values, r.read(of.Value, v, 0))
			}
			one.Entries = append(one.Entries, entry)
		}
		h.Maps = append(h.Maps, one)
	}
	return h
}

// reader reads values, up to so many: structures may be nested.
type reader struct{ left int }

// variables reads a section of global variables.
func (r *reader) variables(section *btf.Datasec, data []byte) (all []Variable) {
	for _, at := range section.Vars {
		v, ok := at.Type.(*btf.Var)
		end := uint64(at.Offset) + uint64(at.Size)
		if !ok || end > uint64(len(data)) || strings.Contains(v.Name, formatName) {
			continue
		}
		all = append(all, Variable{v.Name, r.read(v.Type, data[at.Offset:end], 0)})
	}
	return all
}

// formatName is what bpf_printk calls the variables that it makes of its formats.
const formatName = "____fmt"

// more stands for what is left out.
const more = "…"

// How much of a value is read.
const (
	maxDepth  = 8       // structures in structures
	maxItems  = 64      // of an array or a structure
	maxValues = 1 << 16 // in all
)

// read reads a value of a type; one of a type that is not known, or of another length, is spelt in hex.
func (r *reader) read(t btf.Type, data []byte, depth int) any {
	hex := Hex(fmt.Sprintf("0x%x", data[:min(len(data), maxItems)]))
	if len(data) > maxItems {
		hex += more
	}
	r.left--
	if t == nil || depth > maxDepth || r.left < 0 {
		return hex
	}
	t = btf.UnderlyingType(t)
	if size, err := btf.Sizeof(t); err != nil || size <= 0 || size > len(data) {
		return hex
	}
	switch t := t.(type) {
	case *btf.Int:
		if t.Size > 8 {
			return hex
		}
		return integer(t, number(data[:t.Size]), int(8*t.Size))
	case *btf.Enum:
		if t.Size > 8 {
			return hex
		}
		return number(data[:t.Size])
	case *btf.Pointer:
		return Hex(fmt.Sprintf("%#x", number(data[:8])))
	case *btf.Array:
		return r.array(t, data, depth)
	case *btf.Struct:
		var s Struct
		for _, m := range t.Members[:min(len(t.Members), maxItems)] {
			s = append(s, Variable{m.Name, r.member(m, data, depth)})
		}
		return s
	}
	return hex
}

// array reads an array; one of char is a string.
func (r *reader) array(t *btf.Array, data []byte, depth int) any {
	size, err := btf.Sizeof(t.Type)
	if err != nil || size <= 0 {
		return nil
	}
	if of, ok := btf.UnderlyingType(t.Type).(*btf.Int); ok && of.Size == 1 && (of.Name == "char" || of.Encoding == btf.Char) {
		text, _, _ := strings.Cut(string(data[:min(len(data), int(t.Nelems))]), "\x00")
		return text
	}
	items := []any{}
	for i := range min(int(t.Nelems), len(data)/size) {
		if i == maxItems {
			items = append(items, more)
			break
		}
		items = append(items, r.read(t.Type, data[i*size:][:size], depth+1))
	}
	return items
}

// member reads a member of a structure.
func (r *reader) member(m btf.Member, data []byte, depth int) any {
	from := int(m.Offset.Bytes())
	if from > len(data) {
		return nil
	}
	if m.BitfieldSize == 0 {
		size, err := btf.Sizeof(m.Type)
		if err != nil || size < 0 || from+size > len(data) {
			return nil
		}
		return r.read(m.Type, data[from:from+size], depth+1)
	}
	bits := number(data[from:min(from+8, len(data))]) >> (m.Offset % 8)
	of, ok := btf.UnderlyingType(m.Type).(*btf.Int)
	if !ok || m.BitfieldSize > 64 {
		return bits
	}
	return integer(of, bits, int(m.BitfieldSize))
}

// integer is what the lowest bits of a word mean.
func integer(t *btf.Int, word uint64, bits int) any {
	word = word << (64 - bits) >> (64 - bits)
	switch {
	case t.Encoding == btf.Bool:
		return word != 0
	case t.Encoding == btf.Signed && t.Name != "char":
		return int64(word<<(64-bits)) >> (64 - bits)
	}
	return word
}

// number reads up to 8 bytes.
func number(data []byte) uint64 {
	var word [8]byte
	copy(word[:], data)
	return binary.LittleEndian.Uint64(word[:])
}
