// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// maxTraced is up to how many processed instructions a rejected program is
// loaded again for the log of its last path. The log takes about 100 bytes an
// instruction and is read into memory, of which a guest has little.
const maxTraced = 1 << 16

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
func Load(spec *ebpf.CollectionSpec) (*ebpf.Collection, Report, error) {
	names := slices.Sorted(maps.Keys(spec.Programs))
	if len(names) == 0 {
		return nil, Report{}, errors.New("load: expected a program, found none: check the object with package policy first")
	}
	report := Report{Program: names[0]}

	cache := btf.NewCache()
	coll, err := load(spec, cache, ebpf.LogLevelStats)
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
		return loadEach(spec, names, err)
	}

	if name, mapErr := refusedMap(spec); mapErr != nil {
		// A guest has memory for every map that package policy lets through.
		if !judgement(mapErr) && !errors.Is(mapErr, unix.ENOMEM) {
			return nil, report, environment("create map "+name, mapErr)
		}
		report.Errno = errnoName(mapErr)
		report.Message = fmt.Sprintf("map %s refused: %v", name, mapErr)
		return nil, report, nil
	}

	// Package ebpf takes EFAULT for a bug of the kernel's, and keeps no log. But most kernels
	// end like this where too many branches are open, and whatever it is, they do not load the
	// program.
	if errors.Is(err, unix.EFAULT) {
		report.Errno = errnoName(err)
		report.Message = GaveUp
		return nil, report, nil
	}
	var ve *ebpf.VerifierError
	if !errors.As(err, &ve) || len(withoutStats(ve.Log)) == 0 || errors.Is(err, unix.ENOMEM) {
		if !judgement(err) {
			return nil, report, environment("load program "+report.Program, err)
		}
		report.Errno = errnoName(err)
		report.Message = fmt.Sprintf("the kernel gave no reason: %v", err)
		return nil, report, nil
	}

	report.Stats = parseStats(ve.Log)
	report.Errno = errnoName(err)
	log := ve.Log
	if report.Stats.Processed <= maxTraced {
		coll, err := load(spec, cache, ebpf.LogLevelStats|ebpf.LogLevelBranch)
		if err == nil {
			coll.Close()
			return nil, report, fmt.Errorf("load program %s: rejected, then accepted by the same kernel: %w", report.Program, ve)
		}
		if errors.As(err, &ve) {
			log = ve.Log
		}
	}
	r := parseRejection(log)
	report.Message, report.Log = r.message, r.tail
	report.Source = sourceOf(spec.Programs[report.Program].Instructions, r)
	return nil, report, nil
}

// loadEach finds out which of several programs was rejected: they are loaded in random order.
func loadEach(spec *ebpf.CollectionSpec, names []string, together error) (*ebpf.Collection, Report, error) {
	for _, name := range names {
		one := spec.Copy()
		one.Programs = map[string]*ebpf.ProgramSpec{name: one.Programs[name]}
		for _, m := range one.Maps {
			if m.Type == ebpf.ProgramArray {
				m.Contents = nil // other programs
			}
		}
		coll, report, err := Load(one)
		if coll != nil {
			coll.Close()
		}
		if err != nil || !report.Accepted {
			return nil, report, err
		}
	}
	return nil, Report{Program: names[0]}, environment("load "+strings.Join(names, ", ")+", each of which is accepted by itself", together)
}

func load(spec *ebpf.CollectionSpec, cache *btf.Cache, level ebpf.LogLevel) (*ebpf.Collection, error) {
	return ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		Programs: ebpf.ProgramOptions{LogLevel: level},
		Cache:    cache,
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

// judgement tells whether an error without a log speaks about the object.
func judgement(err error) bool {
	for _, e := range []error{unix.EINVAL, unix.E2BIG, unix.EOPNOTSUPP, errNotSupp, ebpf.ErrNotSupported} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
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
