// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// maxStates is MaxTraced for a log of all registers, which takes about a kilobyte an instruction.
const maxStates = 1 << 12

// Types keeps the kernel's types from one load to the next: to decode them takes a guest a quarter of a second.
var Types = btf.NewCache()

// Load loads the spec's programs and its maps. Of several programs the report is on the first by name that the
// kernel rejects; where it accepts all, on the one of which the verifier processed most.
//
// If the kernel rejects a program, or a map for its size or type, the report
// says so and both the collection and the error are nil. The error is for what
// is not a judgement of the object: a missing privilege, a spec without
// a program. The caller closes the collection.
//
// Requires CAP_BPF and CAP_NET_ADMIN, or root, and at least Linux 5.10. Until 5.11 maps
// count as locked memory, whose limit the caller lifts.
func Load(spec *ebpf.CollectionSpec) (*ebpf.Collection, Report, error) { return LoadWhole(spec, 0) }

// LoadWhole is Load, and of a rejection it also reports the whole log, of which it keeps at most so many bytes: see
// Report.Whole.
func LoadWhole(spec *ebpf.CollectionSpec, bytes int) (*ebpf.Collection, Report, error) {
	names := slices.Sorted(maps.Keys(spec.Programs))
	if len(names) == 0 {
		return nil, Report{}, errors.New("load: expected a program, found none: check the object with package policy first")
	}
	report := Report{Program: names[0]}

	coll, err := load(spec, ebpf.LogLevelStats)
	if err == nil {
		for _, name := range names {
			stats := parseStats(strings.Split(coll.Programs[name].VerifierLog, "\n"))
			if !report.Accepted || stats.Processed > report.Stats.Processed {
				report = Report{Program: name, Accepted: true, Stats: stats}
			}
		}
		return coll, report, nil
	}
	if len(names) > 1 {
		return loadEach(spec, names, bytes, err)
	}

	if name, mapErr := refusedMap(spec); mapErr != nil {
		// A guest has memory for every map that package policy lets through. And EACCES is not of
		// privileges, whose lack is EPERM: a lock in a read-only map, for one.
		if !judgement(mapErr) && !errors.Is(mapErr, unix.ENOMEM) && !errors.Is(mapErr, unix.EACCES) {
			return nil, report, environment("create map "+name, mapErr)
		}
		m := spec.Maps[name]
		report.Errno, report.By = errnoName(mapErr), speaker(mapErr)
		report.Message = fmt.Sprintf("map %s refused: %v (type %v, key %d bytes, value %d bytes, %d entries)", name, mapErr, m.Type, m.KeySize, m.ValueSize, m.MaxEntries)
		return nil, report, nil
	}

	// Package ebpf takes EFAULT for a bug of the kernel's, and keeps no log. But most kernels
	// end like this where too many branches are open, and whatever it is, they do not load the
	// program.
	if errors.Is(err, unix.EFAULT) {
		report.Errno, report.By = errnoName(err), Kernel
		report.Message = GaveUp
		return nil, report, nil
	}
	p := spec.Programs[report.Program]
	var ve *ebpf.VerifierError
	if !errors.As(err, &ve) || len(withoutStats(ve.Log)) == 0 || errors.Is(err, unix.ENOMEM) {
		if !judgement(err) {
			return nil, report, environment("load program "+report.Program, err)
		}
		report.Errno, report.By = errnoName(err), speaker(err)
		report.Message = err.Error()
		if report.By == Kernel {
			report.Message = fmt.Sprintf("%s without a log (program type %v, attach type %v, %d instructions, %d maps)",
				cmp.Or(report.Errno, err.Error()), p.Type, p.AttachType, p.Instructions.Size()/asm.InstructionSize, mapsOf(p.Instructions))
		}
		return nil, report, nil
	}

	report.Stats = parseStats(ve.Log)
	report.Errno = errnoName(err)
	log := ve.Log
	if report.Stats.Processed <= MaxTraced {
		coll, err := load(spec, ebpf.LogLevelStats|ebpf.LogLevelBranch)
		if err == nil {
			coll.Close()
			return nil, report, fmt.Errorf("load program %s: rejected, then accepted by the same kernel: %w", report.Program, ve)
		}
		if errors.As(err, &ve) {
			log = ve.Log
		}
	}
	r := parseRejection(log)
	report.Message, report.Log, report.Trace = r.message, r.tail, r.trace
	if !hasStates(log) && report.Stats.Processed <= maxStates {
		coll, err := load(spec, ebpf.LogLevelStats|ebpf.LogLevelInstruction)
		if coll != nil {
			coll.Close()
		}
		if errors.As(err, &ve) {
			log = ve.Log
			report.Trace = parseRejection(log).trace
		}
	}
	if bytes > 0 && slices.ContainsFunc(log, IsTrace) {
		report.Whole = cut(whole(log), bytes)
	}
	report.Source = sourceOf(p.Instructions, r)
	report.Relocation = relocationOf(spec.Types, p.Instructions, r)
	return nil, report, nil
}

// loadEach finds out which of several programs was rejected: they are loaded in random order.
func loadEach(spec *ebpf.CollectionSpec, names []string, bytes int, together error) (*ebpf.Collection, Report, error) {
	for _, name := range names {
		one := spec.Copy()
		one.Programs = map[string]*ebpf.ProgramSpec{name: one.Programs[name]}
		for _, m := range one.Maps {
			if m.Type == ebpf.ProgramArray {
				m.Contents = nil // other programs
			}
		}
		coll, report, err := LoadWhole(one, bytes)
		if coll != nil {
			coll.Close()
		}
		if err != nil || !report.Accepted {
			return nil, report, err
		}
	}
	return nil, Report{Program: names[0]}, environment("load "+strings.Join(names, ", ")+", each of which is accepted by itself", together)
}

func load(spec *ebpf.CollectionSpec, level ebpf.LogLevel) (*ebpf.Collection, error) {
	return ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		Programs: ebpf.ProgramOptions{LogLevel: level},
		Cache:    Types,
	})
}

// refusedMap returns the first map by name that the kernel does not create.
// Loading a collection creates them in random order and does not type the
// error.
func refusedMap(spec *ebpf.CollectionSpec) (string, error) {
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		m, err := ebpf.NewMap(spec.Maps[name])
		if err != nil {
			return name, err
		}
		m.Close()
	}
	return "", nil
}

// judgement tells whether an error without a log speaks about the object. One without an error number is
// package ebpf's: this kernel has not what the object wants, or the object makes no sense.
func judgement(err error) bool {
	for _, e := range []error{unix.EINVAL, unix.E2BIG, unix.EOPNOTSUPP, errNotSupp, ebpf.ErrNotSupported} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errnoName(err) == ""
}

// mapsOf counts the maps that a program uses.
func mapsOf(insns asm.Instructions) int {
	used := map[string]bool{}
	for _, ins := range insns {
		if ins.IsLoadFromMap() {
			used[ins.Reference()] = true
		}
	}
	return len(used)
}

// speaker returns whose error it is that comes without a log.
func speaker(err error) Speaker {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return Kernel
	}
	return Loader
}

// relocationOf returns what a rejected instruction needs of the kernel's types, if package ebpf made it invalid
// since the kernel does not have it.
func relocationOf(types *btf.Spec, insns asm.Instructions, r rejection) string {
	if types == nil || !poisoned.MatchString(strings.Join(r.tail, "\n")) {
		return ""
	}
	for it := insns.Iterate(); it.Next(); {
		relocation := btf.CORERelocationMetadata(it.Ins)
		if it.Offset != asm.RawInstructionOffset(r.insn) || relocation == nil {
			continue
		}
		// The relocation has no accessors but its text, "CORERelocation(byte_off, Struct:"name"[0:1], local_id=3)".
		m := relocationText.FindStringSubmatch(relocation.String())
		if m == nil {
			return ""
		}
		id, _ := strconv.ParseUint(m[2], 10, 32)
		typ, err := types.TypeByID(btf.TypeID(id))
		if err != nil {
			return ""
		}
		return fieldName(typ, strings.Split(m[1], ":"))
	}
	return ""
}

var (
	poisoned       = regexp.MustCompile(fmt.Sprintf(`unknown#%d$|r10 = %#x`, btf.COREBadRelocationSentinel, btf.COREBadRelocationSentinel))
	relocationText = regexp.MustCompile(`\[([\d:]+)\], local_id=(\d+)\)$`)
)

// fieldName follows an access such as [0 1] from a type to the name of what is accessed: "task_struct.state".
// The first index is of an array of the type.
func fieldName(typ btf.Type, access []string) string {
	name := typ.TypeName()
	for n, index := range access {
		i, err := strconv.Atoi(index)
		if err != nil {
			return name
		}
		var members []btf.Member
		switch t := btf.UnderlyingType(typ).(type) {
		case *btf.Struct:
			members = t.Members
		case *btf.Union:
			members = t.Members
		case *btf.Enum:
			if n == 0 && i < len(t.Values) {
				return name + "." + t.Values[i].Name
			}
		case *btf.Array:
			typ = t.Type
			continue
		}
		if n == 0 {
			continue
		}
		if i >= len(members) {
			return name
		}
		typ = members[i].Type
		if members[i].Name != "" { // not of an anonymous struct
			name += "." + members[i].Name
		}
	}
	return name
}

// errNotSupp is the kernel's internal ENOTSUPP, which the map code leaks.
const errNotSupp = unix.Errno(524)

func environment(operation string, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%s: %w: run as root, with the bpf system call allowed", operation, err)
	}
	return fmt.Errorf("%s: %w", operation, err)
}

func errnoName(err error) string {
	var errno unix.Errno
	switch {
	case !errors.As(err, &errno):
		return ""
	case errno == errNotSupp:
		return "ENOTSUPP"
	default:
		return unix.ErrnoName(errno)
	}
}

// sourceOf returns the line of a rejected instruction. Kernels before 6.9 log
// a line's text without its number, so BTF decides where it can.
func sourceOf(insns asm.Instructions, r rejection) string {
	if r.insn < 0 {
		return r.source
	}
	var line *btf.Line
	for it := insns.Iterate(); it.Next() && it.Offset <= asm.RawInstructionOffset(r.insn); {
		// clang calls what belongs to no statement line 0.
		if l, ok := it.Ins.Source().(*btf.Line); ok && l.LineNumber() > 0 {
			line = l
		}
	}
	if line == nil {
		return r.source
	}
	return fmt.Sprintf("%s:%d: %s", path.Base(line.FileName()), line.LineNumber(), strings.TrimSpace(line.Line()))
}
