// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
)

// graderCPUs is how many CPUs per-CPU maps are charged for. It is fixed, not
// this machine's: the same object must pass or fail everywhere.
const graderCPUs = 4

// allowedFlags are the map flags a submission may set. BPF_F_MMAPABLE and
// BPF_F_RDONLY_PROG are the loader's, for global variables.
const allowedFlags = noPrealloc | zeroSeed

// Flags of linux/bpf.h, which are not at hand on other systems.
const (
	noPrealloc = 1 << 0  // BPF_F_NO_PREALLOC
	zeroSeed   = 1 << 6  // BPF_F_ZERO_SEED
	rdonlyProg = 1 << 7  // BPF_F_RDONLY_PROG
	mmapable   = 1 << 10 // BPF_F_MMAPABLE
)

func (p Policy) checkMaps(v *Violations, spec *ebpf.CollectionSpec, o *object) {
	required := make(map[string]Map)
	for _, want := range p.Maps {
		required[want.Name] = want
	}
	meant := map[string]bool{} // what should have another name, and has been reported
	for _, want := range p.Maps {
		if spec.Maps[want.Name] != nil {
			continue
		}
		found, remedy := "none", "declare it as the starter does"
		for _, name := range sortedKeys(spec.Maps) {
			if _, ok := required[name]; !ok && !o.globals(name) && !meant[name] && want.fits(spec.Maps[name]) {
				found, remedy = "a map "+name, "rename it to "+want.Name
				meant[name] = true
				break
			}
		}
		v.add("", "map "+want.Name, "a map of that name in SEC(\".maps\")", found, remedy)
	}

	var total uint64
	for _, name := range sortedKeys(spec.Maps) {
		m := spec.Maps[name]
		total = Sum(total, Memory(m, graderCPUs))
		if o.globals(name) {
			checkGlobals(v, name, m)
			continue
		}
		if m.Type == ebpf.UnspecifiedMap && o.sections["maps"] {
			v.add("", "map "+name, `a definition in SEC(".maps")`, `one in SEC("maps"), which is for another form of it`, "add the dot")
			continue
		}
		checkMap(v, name, m)
		if meant[name] {
			continue
		}
		if want, ok := required[name]; ok {
			want.check(v, m)
		} else if !slices.Contains(p.OtherMaps, m.Type) {
			v.add("", "map "+name, "no other map"+except(p.OtherMaps), "one of type "+m.Type.String(), "remove it or use an allowed type")
		}
	}

	if n := len(spec.Maps); n > p.MaxMaps {
		v.add("", "maps", fmt.Sprintf("at most %d, those of global variables included", p.MaxMaps),
			fmt.Sprintf("%d: %s", n, strings.Join(sortedKeys(spec.Maps), ", ")), "remove some")
	}
	if total > p.MaxMapBytes {
		v.add("", "maps", fmt.Sprintf("at most %d bytes of memory on %d CPUs", p.MaxMapBytes, graderCPUs),
			fmt.Sprintf("about %d", total), "lower max_entries")
	}
}

// globals tells whether a map stands for a section of global variables. A name
// alone does not: asm labels can give any map any name.
func (o *object) globals(name string) bool {
	return o.sections[name] && (name == ".bss" || strings.HasPrefix(name, ".data") || strings.HasPrefix(name, ".rodata"))
}

// checkGlobals checks what differs from an ordinary map: contents are allowed.
func checkGlobals(v *Violations, name string, m *ebpf.MapSpec) {
	if m.Type != ebpf.Array || m.MaxEntries != 1 || m.Flags&^(rdonlyProg|mmapable) != 0 {
		v.add("", "section "+name, "global variables", m.String(), "remove the section attribute")
	}
}

// checkMap checks what holds for every map.
func checkMap(v *Violations, name string, m *ebpf.MapSpec) {
	subject := "map " + name
	if strings.HasPrefix(name, ".") {
		v.add("", subject, "a C identifier for a name", name, "remove the asm label")
	}
	if m.Pinning != ebpf.PinNone {
		v.add("", subject, "a map of the program's own", "pinning", "remove the line __uint(pinning, …)")
	}
	if m.InnerMap != nil || m.Type == ebpf.ArrayOfMaps || m.Type == ebpf.HashOfMaps {
		v.add("", subject, "a map of values", "a map of maps", "use plain maps")
	}
	if m.Type == ebpf.StructOpsMap {
		v.add("", subject, "a map of values", "struct_ops", "remove it")
	} else if len(m.Contents) > 0 {
		v.add("", subject, "a map that starts empty", "initial contents", "remove .values")
	}
	if bad := m.Flags &^ allowedFlags; bad != 0 {
		v.add("", subject, "no flags but BPF_F_NO_PREALLOC and BPF_F_ZERO_SEED", fmt.Sprintf("flags %#x", bad), "remove them from map_flags")
	}
	if m.MapExtra != 0 {
		v.add("", subject, "no map_extra", fmt.Sprintf("%#x", m.MapExtra), "remove it")
	}
	// The kernel sizes a perf event array by its CPUs.
	if m.MaxEntries == 0 && m.Type != ebpf.PerfEventArray {
		v.add("", subject, "max_entries of at least 1", "0", "add __uint(max_entries, …)")
	}
}

// fits reports whether a map could be the wanted one but for its name.
func (want Map) fits(m *ebpf.MapSpec) bool {
	return slices.Contains(want.Types, m.Type) && m.KeySize == want.KeySize && m.ValueSize == want.ValueSize
}

func (want Map) check(v *Violations, m *ebpf.MapSpec) {
	subject := "map " + want.Name
	if !slices.Contains(want.Types, m.Type) {
		v.add("", subject, "one of the types "+join(want.Types), m.Type.String(), "change __uint(type, …)")
	}
	if m.KeySize != want.KeySize {
		v.add("", subject, fmt.Sprintf("keys of %d bytes", want.KeySize), fmt.Sprint(m.KeySize), "change __type(key, …)")
	}
	if m.ValueSize != want.ValueSize {
		v.add("", subject, fmt.Sprintf("values of %d bytes", want.ValueSize), fmt.Sprint(m.ValueSize), "change __type(value, …)")
	}
	unit := "entries"
	if m.Type == ebpf.RingBuf {
		unit = "bytes"
	}
	n := m.MaxEntries
	if want.MaxEntries != 0 && n > want.MaxEntries {
		v.add("", subject, fmt.Sprintf("at most %d %s", want.MaxEntries, unit), fmt.Sprint(n), "lower max_entries")
	} else if n != 0 && n < want.MinEntries {
		v.add("", subject, fmt.Sprintf("at least %d %s", want.MinEntries, unit), fmt.Sprint(n), "raise max_entries")
	} else if m.Type == ebpf.RingBuf && n&(n-1) != 0 {
		v.add("", subject, "a power of two for max_entries", fmt.Sprint(n), fmt.Sprintf("use %d", uint32(1)<<(bits.Len32(n)-1)))
	}
}

// Memory estimates the bytes a map takes in the kernel of a machine with so many CPUs, math.MaxUint64 if that
// does not fit. Hash elements carry about 64 bytes of their own and a bucket.
func Memory(m *ebpf.MapSpec, cpus uint64) uint64 {
	const element = 64 + 16
	key, value := roundUp(m.KeySize), roundUp(m.ValueSize)
	n := uint64(m.MaxEntries)
	switch m.Type {
	case ebpf.RingBuf, ebpf.UserRingbuf: // whose size is in bytes
		return n
	case ebpf.Arena: // in pages
		return Product(n, 4096)
	case ebpf.Array:
		return Product(n, value)
	case ebpf.PerCPUArray:
		return Product(n, Product(cpus, value))
	case ebpf.PerCPUHash, ebpf.LRUCPUHash, ebpf.PerCPUCGroupStorage:
		return Product(n, Sum(element+key, Product(cpus, value)))
	default:
		return Product(n, element+key+value)
	}
}

func roundUp(size uint32) uint64 { return (uint64(size) + 7) &^ 7 }

// Product and Sum are math.MaxUint64 where the true one does not fit: a wrapped one would look small.
func Product(a, b uint64) uint64 {
	if hi, lo := bits.Mul64(a, b); hi == 0 {
		return lo
	}
	return math.MaxUint64
}

// Sum adds: see Product.
func Sum(a, b uint64) uint64 {
	if sum, carry := bits.Add64(a, b, 0); carry == 0 {
		return sum
	}
	return math.MaxUint64
}

func except(types []ebpf.MapType) string {
	if len(types) == 0 {
		return ""
	}
	return " but of the types " + join(types)
}

func join(types []ebpf.MapType) string {
	var names []string
	for _, t := range types {
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}
