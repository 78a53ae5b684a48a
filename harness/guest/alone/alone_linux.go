// SPDX-License-Identifier: Apache-2.0

// Package alone prepares one program of any object to be loaded without the others: with the maps that it uses and
// no more, none of them pinned, each of a size.
package alone

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
)

// ErrLacks is wrapped by the errors of programs that cannot be loaded for want of what only their author can give.
var ErrLacks = errors.New("cannot be loaded by itself")

// Spec returns a copy of an object with one of its programs. Loaders set the size of a map that has none; here a ring
// buffer gets 64 pages, and any other map one entry.
func Spec(object *ebpf.CollectionSpec, name string) (*ebpf.CollectionSpec, error) {
	program := object.Programs[name]
	if program == nil {
		return nil, fmt.Errorf("the object holds no program %q", name)
	}
	switch kind, _, _ := strings.Cut(strings.TrimPrefix(program.SectionName, "?"), "/"); {
	case program.Type == ebpf.UnspecifiedProgram:
		return nil, fmt.Errorf(`%w: SEC(%q) names no type of program: name one that libbpf knows, such as SEC("xdp") or SEC("kprobe/do_unlinkat")`, ErrLacks, program.SectionName)
	case program.Type == ebpf.Extension:
		return nil, fmt.Errorf("%w: SEC(%q) replaces a function of another program, which has to be loaded first", ErrLacks, program.SectionName)
	case kind == "usdt" || kind == "usdt.s":
		return nil, fmt.Errorf("%w: SEC(%q) is a probe in a program of user space, which is not here", ErrLacks, program.SectionName)
	}
	one := object.Copy()
	used := map[string]bool{}
	for _, ins := range program.Instructions {
		if ins.IsLoadFromMap() {
			use(object, ins.Reference(), used)
		}
	}
	one.Programs = map[string]*ebpf.ProgramSpec{name: one.Programs[name]}
	for name, m := range one.Maps {
		if !used[name] {
			delete(one.Maps, name)
			continue
		}
		settle(m)
	}
	for name, v := range one.Variables {
		if one.Maps[v.SectionName] == nil {
			delete(one.Variables, name)
		}
	}
	return one, nil
}

// use adds a map, and those that are in it.
func use(object *ebpf.CollectionSpec, name string, used map[string]bool) {
	m := object.Maps[name]
	if m == nil || used[name] {
		return
	}
	used[name] = true
	for _, kv := range m.Contents {
		if inner, ok := kv.Value.(string); ok {
			use(object, inner, used)
		}
	}
}

// stackDepth is how many addresses a stack trace has, unless a kernel is told otherwise (PERF_MAX_STACK_DEPTH).
const stackDepth = 127

// settle leaves nothing of a map to a loader.
func settle(m *ebpf.MapSpec) {
	m.Pinning = ebpf.PinNone
	switch m.Type {
	case ebpf.ProgramArray:
		m.Contents = nil // other programs
	case ebpf.PerfEventArray, ebpf.CPUMap, ebpf.SkStorage, ebpf.InodeStorage, ebpf.TaskStorage, ebpf.CgroupStorage, ebpf.CGroupStorage, ebpf.PerCPUCGroupStorage, ebpf.StructOpsMap:
		return // as many as there are CPUs, or objects
	}
	if m.Type == ebpf.StackTrace && m.ValueSize == 0 {
		m.ValueSize = 8 * stackDepth
	}
	switch {
	case m.MaxEntries > 0:
	case m.Type == ebpf.RingBuf || m.Type == ebpf.UserRingbuf:
		m.MaxEntries = uint32(64 * os.Getpagesize())
	default:
		m.MaxEntries = 1
	}
	if m.InnerMap != nil {
		settle(m.InnerMap)
	}
}
