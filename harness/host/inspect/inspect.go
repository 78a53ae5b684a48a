// SPDX-License-Identifier: Apache-2.0

// Package inspect reads what a BPF object holds, as far as its cost and its portability depend on it: maps, calls,
// paths, shared memory, BTF. An object may be hostile and its parser was written for one's own, so a process of its
// own reads it, confined like a compiler; this one reads what that process writes.
package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bpflab/harness/host/sandbox"
)

// Object is what an object holds.
type Object struct {
	// Broken is not empty where it cannot be read, and why.
	Broken   string    `json:"broken,omitempty"`
	BTF      bool      `json:"btf"` // it has type information
	Maps     []Map     `json:"maps"`
	Programs []Program `json:"programs"` // by name
}

// Map is one of an object's maps; global variables have some too.
type Map struct {
	Name         string `json:"name"`
	Type         string `json:"type"`         // such as "PerCPUHash"
	Entries      uint32 `json:"entries"`      // 0: a loader or the kernel sets it
	OneCPU       uint64 `json:"one_cpu"`      // bytes on a machine with one CPU
	ManyCPUs     uint64 `json:"many_cpus"`    // and with ManyCPUs
	Unsized      bool   `json:"unsized"`      // a loader has to say how many entries it has
	Preallocated bool   `json:"preallocated"` // all of its memory is taken when it is created
	Global       bool   `json:"global"`       // it holds global variables
	Untyped      bool   `json:"untyped"`      // BTF does not say what its keys and values are
}

// ManyCPUs is for how many CPUs memory is given beside that for one.
const ManyCPUs = 32

// Program is one of an object's programs, with the functions that it calls.
type Program struct {
	Name     string   `json:"name"`
	Section  string   `json:"section"`
	Type     string   `json:"type"` // such as "XDP"
	License  string   `json:"license"`
	Maps     []string `json:"maps"` // those that it uses, sorted
	Function bool     `json:"func_info"`
	Lines    bool     `json:"line_info"`

	Path      Count  `json:"path"`      // BPF instructions
	MapOps    Count  `json:"map_ops"`   // calls of helpers that work on maps
	Contended Count  `json:"contended"` // operations that meet those of all other CPUs
	Keyed     Count  `json:"keyed"`     // those that meet others' at the same key, or in the same bucket
	Rings     Count  `json:"rings"`     // calls that take the lock of a ring buffer
	Helpers   []Call `json:"helpers"`   // by name
	Kfuncs    []Call `json:"kfuncs"`    // by name
	Tails     Tails  `json:"tail_calls"`

	Relocations int     `json:"relocations"` // of CO-RE
	Fixed       []Place `json:"fixed"`       // reads of kernel memory at fixed offsets
}

// Count is how often something happens.
type Count struct {
	Sites  int     `json:"sites"`           // in the program's text
	Most   int     `json:"most"`            // on one path, if Bound is empty
	Bound  string  `json:"bound,omitempty"` // not empty: why a run may do it any number of times
	Places []Place `json:"places,omitempty"`
}

// Place is where in the source something is, as far as BTF says.
type Place struct {
	File string `json:"file"` // base name; empty: not known
	Line int    `json:"line"` // from 1
	Text string `json:"text"`
	What string `json:"what,omitempty"` // happens there: a map, a helper
}

// Call is a function of the kernel that a program calls.
type Call struct {
	Name   string  `json:"name"`
	Sites  int     `json:"sites"`
	Places []Place `json:"places"`
}

// Tails are a program's tail calls.
type Tails struct {
	Sites  int     `json:"sites"`
	Places []Place `json:"places,omitempty"`
	// InFunction: a function of the program makes some, for which the kernel leaves its callers half of the stack.
	InFunction bool `json:"in_function"`
	// Depth is how many tail calls one run can make, if the object says what is in all the arrays of programs; 0 if it
	// does not, and Endless if programs call each other in a circle.
	Depth int `json:"depth"`
}

// Endless is the Depth of tail calls in a circle.
const Endless = -1

// What a reader of one object may use. Objects have up to 8 MiB.
var limits = sandbox.Limits{Data: 1 << 30, Memory: 1 << 30, CPU: 30 * time.Second, Time: 2 * time.Minute, File: 1 << 26, Files: 64}

// maxFacts is how much of a reader's output is read.
const maxFacts = 32 << 20

// Read reads an object in a confined process. An object that cannot be read, or not within limits, is Broken. An error
// is this machine's.
func Read(ctx context.Context, mode sandbox.Mode, elf []byte) (o Object, err error) {
	self, err := os.Executable()
	if err != nil {
		return o, err
	}
	dir, err := os.MkdirTemp("", "bpflab-inspect-*")
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.WriteFile(filepath.Join(dir, "object"), elf, 0o600); err != nil {
		return o, err
	}
	out := &firstBytes{max: maxFacts}
	r, err := sandbox.Run(ctx, sandbox.Command{
		Path: self, Args: []string{child, "object"}, Dir: dir, Env: []string{"GOMEMLIMIT=768MiB"},
		Mode: mode, Read: []string{self, dir, "/lib", "/lib64", "/usr/lib"}, Alone: true, Limits: limits, Output: out,
	})
	switch {
	case err != nil:
		return o, fmt.Errorf("read an object confined: %w", err)
	case r.Exceeded != "":
		return Object{Broken: fmt.Sprintf("reading it takes too much %s", r.Exceeded)}, nil
	case r.Exit != nil:
		return Object{Broken: fmt.Sprintf("reading it failed (%v)", r.Exit)}, nil
	}
	if err := json.Unmarshal(out.Bytes(), &o); err != nil {
		return Object{Broken: fmt.Sprintf("what was read of it makes no sense: %v", err)}, nil
	}
	return o, nil
}

// firstBytes keeps the first max bytes.
type firstBytes struct {
	bytes.Buffer
	max int
}

func (b *firstBytes) Write(p []byte) (int, error) {
	_, _ = b.Buffer.Write(p[:min(len(p), b.max-b.Len())])
	return len(p), nil
}

// child is the first argument of a process that reads an object.
const child = "bpflab-inspect-object"

// A program that imports this package, tests included, is started once more to read an object: see package sandbox.
func init() {
	if len(os.Args) != 3 || os.Args[1] != child {
		return
	}
	elf, err := os.ReadFile(os.Args[2])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(read(elf))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
