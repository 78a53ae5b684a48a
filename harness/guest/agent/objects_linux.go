// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/alone"
	"bpflab/harness/guest/attach"
	"bpflab/harness/guest/contents"
	"bpflab/harness/guest/profile"
	"bpflab/harness/guest/testrun"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// Bounds of the logs that are reported where the whole log is asked for: of one program's and of all together. The host
// takes 16 MiB of all that a guest says.
const (
	maxLog  = 1 << 20
	maxLogs = 8 << 20
)

// loader is [verifier.LoadWhole], but for tests.
type loader func(*ebpf.CollectionSpec, int) (*ebpf.Collection, verifier.Report, error)

// verify loads the programs of objects, one after the other, runs them on frames if there are any, and keeps none. That
// one cannot be judged says nothing of the others.
func verify(j job.Job, load loader, stage func(string)) (job.Observations, error) {
	// Nothing else runs in this guest, which has memory for that, and nothing that is measured makes garbage.
	debug.SetMemoryLimit(400 << 20)
	if err := writeConfig(j.Config); err != nil {
		return nil, err
	}
	all := make([]job.Object, len(j.Objects))
	logs, profiled := 0, 0
	if j.Whole {
		logs = maxLogs
	}
	for i, raw := range j.Objects {
		object, err := read(raw)
		if err != nil {
			all[i].Broken = err.Error()
			continue
		}
		if all[i].NoMaps, err = contents.Fill(object, j.Maps); err != nil {
			all[i].NotFilled = err.Error()
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(object.Programs)) {
			stage(fmt.Sprintf("load %s, %d of %d", name, i+1, len(j.Objects)))
			l := loadAlone(object, name, j, func(spec *ebpf.CollectionSpec) (*ebpf.Collection, verifier.Report, error) {
				return load(spec, min(logs, maxLog))
			})
			if l.Whole != nil {
				for _, line := range l.Whole.Lines {
					logs -= len(line)
				}
			}
			if l.Profile != nil {
				if profiled += len(l.Profile.Insns); profiled > maxProfiled {
					l.Profile = &job.Profile{Error: fmt.Sprintf("a guest reports profiles of %d instructions at most: give fewer programs at a time", maxProfiled)}
				}
			}
			all[i].Programs = append(all[i].Programs, l)
		}
	}
	o := job.Observations{}
	return o, o.SetObjects(all)
}

// read reads an object. It is made by anybody, and package ebpf was not written for all that it may hold: a panic of its
// is that object's alone.
func read(raw []byte) (object *ebpf.CollectionSpec, err error) {
	defer func() {
		if trouble := recover(); trouble != nil {
			err = fmt.Errorf("the library that reads it panicked: %v", trouble)
		}
	}()
	if err := plausible(raw); err != nil {
		return nil, err
	}
	return ebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
}

// maxZeroed is how many bytes of data an object may have that are not in its file.
const maxZeroed = 32 << 20

// plausible fails for an ELF file whose sections are larger than what is there: package ebpf makes room for all of them.
func plausible(raw []byte) error {
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	stored, zeroed := uint64(0), uint64(0)
	for _, s := range f.Sections {
		sum, most := &stored, uint64(len(raw))
		if s.Type == elf.SHT_NOBITS {
			sum, most = &zeroed, maxZeroed
		}
		if *sum += s.FileSize; s.FileSize > most || *sum > most {
			return fmt.Errorf("its sections, %.40q among them, are larger than %d bytes", s.Name, most)
		}
		if s.Flags&elf.SHF_COMPRESSED != 0 {
			return fmt.Errorf("section %.40q is compressed", s.Name)
		}
	}
	return nil
}

// maxProfiled is of how many instructions a guest reports profiles: some 200 bytes each, of the 16 MiB that the host takes.
const maxProfiled = 40_000

// loadAlone loads one program of an object, and runs it.
func loadAlone(object *ebpf.CollectionSpec, name string, j job.Job, load func(*ebpf.CollectionSpec) (*ebpf.Collection, verifier.Report, error)) (l job.Loaded) {
	l.Program, l.Type = name, object.Programs[name].Type.String()
	defer func() {
		if trouble := recover(); trouble != nil {
			l.Error = fmt.Sprintf("the library that loads it panicked: %v", trouble)
		}
	}()
	spec, err := alone.Spec(object, name)
	switch {
	case errors.Is(err, alone.ErrLacks):
		l.Lacks = err.Error()
		return l
	case err != nil:
		l.Error = err.Error()
		return l
	}
	c, report, err := load(spec)
	if report.Message == verifier.GaveUp || errors.Is(err, unix.ENOMEM) {
		debug.FreeOSMemory() // a verifier gives up for want of memory, too, of which this process has some
		c, report, err = load(spec)
	}
	if c != nil {
		defer c.Close()
	}
	l.Report = report
	l.Program = name
	switch {
	case errors.Is(err, unix.ENOMEM):
		l.Error = err.Error()
	case err != nil: // this process may do all that it wants to, so the object is to blame
		why := strings.TrimPrefix(err.Error(), "load program "+name+": ")
		l.Lacks = fmt.Sprintf("%v: %s", alone.ErrLacks, strings.TrimPrefix(why, "program "+name+": "))
	}
	if !l.Accepted {
		return l
	}
	if err := attach.Target(spec.Programs[name]); err != nil {
		l.NoTarget = err.Error()
	}
	if len(j.Frames) > 0 && l.NoTarget == "" {
		measure(&l, c.Programs[name], spec, j)
	}
	return l
}

// measure runs a program on frames, or at events, and profiles it.
func measure(l *job.Loaded, p *ebpf.Program, object *ebpf.CollectionSpec, j job.Job) {
	defer func() {
		if trouble := recover(); trouble != nil {
			l.Runs, l.Events, l.Profile = nil, nil, nil
			l.NotRun = fmt.Sprintf("what runs it panicked: %v", trouble)
		}
	}()
	spec, err := object.Programs[l.Program], error(nil)
	in, ok := testrun.Input{Frames: j.Frames, Context: j.Context}.For(spec.Type)
	if ok {
		l.OnContext = in.Frames == nil
		l.Runs, err = testrun.On(in, p, spec)
	} else {
		l.Events, err = testrun.Events(p, spec)
	}
	if err != nil {
		l.NotRun = err.Error()
		return
	}
	if j.Profile {
		if l.Profile, err = profile.Of(object, l.Program, in, l.Runs); err != nil {
			l.Profile = &job.Profile{Error: err.Error()}
		}
	}
}

// writeConfig puts the kernel's configuration where package ebpf looks for it.
func writeConfig(config []byte) error {
	if len(config) == 0 {
		return nil
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return fmt.Errorf("find the kernel's release: %w", err)
	}
	if err := os.MkdirAll("/boot", 0o755); err != nil {
		return err
	}
	return os.WriteFile("/boot/config-"+unix.ByteSliceToString(name.Release[:]), config, 0o644)
}

// kernelTypes reads the kernel's BTF.
func kernelTypes() (job.Observations, error) {
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		return nil, fmt.Errorf("read the kernel's BTF: %w", err)
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err = w.Write(raw)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("compress the kernel's BTF: %w", err)
	}
	o := job.Observations{}
	return o, o.SetTypes(out.Bytes())
}
