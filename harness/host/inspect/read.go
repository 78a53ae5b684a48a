// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"bpflab/harness/host/policy"
)

// maxPlaces is how many places are kept of a kind.
const maxPlaces = 20

// read reads an object, in the process that is confined for that.
func read(elf []byte) Object {
	spec, err := policy.Parse(elf)
	if err != nil {
		return Object{Broken: err.Error()}
	}
	return of(spec)
}

// of says what a parsed object holds.
func of(spec *ebpf.CollectionSpec) Object {
	o := Object{BTF: spec.Types != nil}
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		o.Maps = append(o.Maps, mapOf(name, spec.Maps[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		o.Programs = append(o.Programs, programOf(spec, name))
	}
	return o
}

// Flags of linux/bpf.h, which are not at hand on other systems.
const (
	noPrealloc = 1 << 0 // BPF_F_NO_PREALLOC
)

func mapOf(name string, spec *ebpf.MapSpec) Map {
	m := Map{Name: name, Type: spec.Type.String(), Entries: spec.MaxEntries, OneCPU: policy.Memory(spec, 1), ManyCPUs: policy.Memory(spec, ManyCPUs)}
	m.Global = global(name)
	m.Untyped = !m.Global && typed(spec.Type) && (spec.Key == nil || spec.Value == nil)
	switch spec.Type {
	case ebpf.Hash, ebpf.PerCPUHash, ebpf.LRUHash, ebpf.LRUCPUHash:
		m.Preallocated = spec.Flags&noPrealloc == 0
	case ebpf.Array, ebpf.PerCPUArray, ebpf.RingBuf, ebpf.UserRingbuf, ebpf.StackTrace, ebpf.Queue, ebpf.Stack, ebpf.BloomFilter:
		m.Preallocated = true
	}
	if spec.MaxEntries == 0 {
		switch spec.Type {
		case ebpf.PerfEventArray: // a pointer for each CPU
			m.OneCPU, m.ManyCPUs = 8, 8*ManyCPUs
		case ebpf.SkStorage, ebpf.InodeStorage, ebpf.TaskStorage, ebpf.CgroupStorage, ebpf.CGroupStorage, ebpf.PerCPUCGroupStorage, ebpf.StructOpsMap: // as many as there are objects
		default:
			m.Unsized = true
		}
	}
	if spec.InnerMap != nil {
		inner := mapOf("", spec.InnerMap)
		m.OneCPU = policy.Sum(m.OneCPU, policy.Product(uint64(spec.MaxEntries), inner.OneCPU))
		m.ManyCPUs = policy.Sum(m.ManyCPUs, policy.Product(uint64(spec.MaxEntries), inner.ManyCPUs))
	}
	return m
}

// typed reports whether maps of a type have keys and values that a program or a reader looks into.
func typed(t ebpf.MapType) bool {
	switch t {
	case ebpf.Hash, ebpf.PerCPUHash, ebpf.LRUHash, ebpf.LRUCPUHash, ebpf.Array, ebpf.PerCPUArray, ebpf.LPMTrie:
		return true
	}
	return false
}

func global(name string) bool {
	return name == ".bss" || strings.HasPrefix(name, ".data") || strings.HasPrefix(name, ".rodata") || strings.HasPrefix(name, ".kconfig")
}

// reader looks at one program.
type reader struct {
	spec  *ebpf.CollectionSpec
	insns asm.Instructions
	lines []policy.Line
}

func programOf(spec *ebpf.CollectionSpec, name string) Program {
	ps := spec.Programs[name]
	r := reader{spec, ps.Instructions, policy.Lines(ps.Instructions)}
	p := Program{Name: name, Section: ps.SectionName, Type: ps.Type.String(), License: ps.License}
	helpers, kfuncs, used := map[string]*Call{}, map[string]*Call{}, map[string]bool{}
	call := func(calls map[string]*Call, name string, i int) {
		if calls[name] == nil {
			calls[name] = &Call{Name: name}
		}
		calls[name].Sites++
		calls[name].Places = r.add(calls[name].Places, i, "")
	}
	function := 0 // how many have begun
	for i := range r.insns {
		ins := &r.insns[i]
		p.Lines = p.Lines || r.lines[i].Number > 0
		if btf.FuncMetadata(ins) != nil {
			p.Function = true
			function++
		}
		if btf.CORERelocationMetadata(ins) != nil {
			p.Relocations++
		}
		switch {
		case ins.IsLoadFromMap():
			used[ins.Reference()] = true
		case ins.IsKfuncCall():
			call(kfuncs, cmp.Or(ins.Reference(), fmt.Sprintf("number %d", ins.Constant)), i)
		case ins.IsBuiltinCall():
			fn := asm.BuiltinFunc(ins.Constant)
			call(helpers, policy.HelperName(fn), i)
			if fn == asm.FnTailCall {
				p.Tails.Sites++
				p.Tails.InFunction = p.Tails.InFunction || function > 1
				p.Tails.Places = r.add(p.Tails.Places, i, "")
			}
		}
	}
	p.Maps = slices.Sorted(maps.Keys(used))
	p.Helpers, p.Kfuncs = byName(helpers), byName(kfuncs)
	p.Tails.Depth = depth(spec, name)

	p.Path = r.count(func(int) bool { return true }, nil)
	p.Path.Places = nil
	p.MapOps = r.count(func(i int) bool {
		return r.insns[i].IsBuiltinCall() && OnMap(policy.HelperName(asm.BuiltinFunc(r.insns[i].Constant)))
	}, func(i int) string { return policy.HelperName(asm.BuiltinFunc(r.insns[i].Constant)) })
	r.sharing(&p)
	for i, fixed := range policy.FixedReads(ps) {
		if fixed {
			p.Fixed = r.add(p.Fixed, i, "")
		}
	}
	return p
}

func (r reader) helper(i int, fns []asm.BuiltinFunc) bool {
	return r.insns[i].IsBuiltinCall() && slices.Contains(fns, asm.BuiltinFunc(r.insns[i].Constant))
}

// OnMap reports whether a helper, by its name in C, works on a map's entries.
func OnMap(helper string) bool {
	return slices.ContainsFunc(mapHelpers, func(fn asm.BuiltinFunc) bool { return policy.HelperName(fn) == helper })
}

var mapHelpers = []asm.BuiltinFunc{
	asm.FnMapLookupElem, asm.FnMapUpdateElem, asm.FnMapDeleteElem, asm.FnMapPushElem, asm.FnMapPopElem, asm.FnMapPeekElem, asm.FnMapLookupPercpuElem,
	asm.FnForEachMapElem, asm.FnSkStorageGet, asm.FnInodeStorageGet, asm.FnTaskStorageGet, asm.FnCgrpStorageGet, asm.FnPerfEventOutput,
	asm.FnSkbOutput, asm.FnXdpOutput, asm.FnRingbufOutput, asm.FnRingbufReserve, asm.FnRingbufReserveDynptr, asm.FnGetStackid,
}

// ringHelpers take the lock of a ring buffer, which all CPUs write to.
var ringHelpers = []asm.BuiltinFunc{asm.FnRingbufOutput, asm.FnRingbufReserve, asm.FnRingbufReserveDynptr}

// sharing counts what other CPUs get in the way of.
func (r reader) sharing(p *Program) {
	written, varies := policy.SharedMaps(r.spec, p.Name)
	contended := func(i int) bool {
		if r.helper(i, []asm.BuiltinFunc{asm.FnSpinLock}) {
			return slices.ContainsFunc(written[i], r.single) || len(written[i]) == 0
		}
		return len(written[i]) > 0 && !varies[i] && !slices.ContainsFunc(written[i], func(name string) bool { return !r.single(name) })
	}
	p.Contended = r.count(contended, func(i int) string { return strings.Join(written[i], ", ") })
	p.Keyed = r.count(func(i int) bool { return len(written[i]) > 0 && !contended(i) }, func(i int) string { return strings.Join(written[i], ", ") })
	p.Rings = r.count(func(i int) bool { return r.helper(i, ringHelpers) }, nil)
}

// single reports whether all CPUs that write to a map write to the same place, or take the same lock.
func (r reader) single(name string) bool {
	m := r.spec.Maps[name]
	switch m.Type {
	case ebpf.Queue, ebpf.Stack:
		return true
	case ebpf.Array:
		return m.MaxEntries == 1
	case ebpf.Hash, ebpf.LRUHash, ebpf.LPMTrie:
		return m.MaxEntries == 1 || m.Type == ebpf.LPMTrie // whose updates have one lock
	}
	return false
}

// count counts what happens at some instructions.
func (r reader) count(counts func(int) bool, what func(int) string) (c Count) {
	for i := range r.insns {
		if counts(i) {
			c.Sites++
			name := ""
			if what != nil {
				name = what(i)
			}
			c.Places = r.add(c.Places, i, name)
		}
	}
	if c.Sites == 0 {
		return c
	}
	path, err := policy.MostOnPath(r.insns, counts)
	if err != nil {
		c.Bound = err.Error()
		return c
	}
	c.Most = path.Instructions
	return c
}

// add adds the place of an instruction, each once.
func (r reader) add(places []Place, i int, what string) []Place {
	l := r.lines[i]
	p := Place{File: l.File, Line: l.Number, Text: l.Text, What: what}
	if len(places) == maxPlaces || p == (Place{}) || slices.Contains(places, p) {
		return places
	}
	return append(places, p)
}

func byName(calls map[string]*Call) (list []Call) {
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		list = append(list, *calls[name])
	}
	return list
}

// depth is how many tail calls a run of a program can make, by what the object puts into arrays of programs.
func depth(spec *ebpf.CollectionSpec, program string) int {
	open, depths := map[string]bool{}, map[string]int{}
	known := true
	var deepest func(name string) int
	deepest = func(name string) int {
		if d, ok := depths[name]; ok {
			return d
		}
		p := spec.Programs[name]
		if p == nil || open[name] {
			if p != nil {
				return Endless
			}
			known = false
			return 0
		}
		open[name] = true
		defer delete(open, name)
		most := 0
		for _, next := range targets(spec, p, &known) {
			d := deepest(next)
			if d == Endless {
				return Endless
			}
			most = max(most, d+1)
		}
		depths[name] = most
		return most
	}
	d := deepest(program)
	if !known && d != Endless {
		return 0
	}
	return d
}

// targets are the programs that a program may go on to.
func targets(spec *ebpf.CollectionSpec, p *ebpf.ProgramSpec, known *bool) (names []string) {
	calls := false
	for _, ins := range p.Instructions {
		calls = calls || ins.IsBuiltinCall() && asm.BuiltinFunc(ins.Constant) == asm.FnTailCall
	}
	if !calls {
		return nil
	}
	found := false
	for _, ins := range p.Instructions {
		m := spec.Maps[ins.Reference()]
		if !ins.IsLoadFromMap() || m == nil || m.Type != ebpf.ProgramArray {
			continue
		}
		found = true
		*known = *known && len(m.Contents) > 0
		for _, kv := range m.Contents {
			if name, ok := kv.Value.(string); ok && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	*known = *known && found
	return names
}
