// SPDX-License-Identifier: Apache-2.0

// Package sandbox runs a compiler on text that nobody trusts. What it starts
// reads the folders it is given, writes one, opens no socket, traces nobody,
// and has limits on memory, CPU time, file size and open files. It has no
// standard input and inherits no environment.
//
//	this process ── starts ──► /proc/self/exe, which confines itself:
//	                           no_new_privs, Landlock, seccomp, limits
//	                                 └─ exec ──► the compiler
//
// A process can only confine itself, and Go runs no code between fork and
// exec. So a program that imports this package is started once more under
// another name, and this package's init does the rest, before main and before
// most other packages' init: no program has to call anything.
package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// Mode says what happens where the kernel cannot confine a process.
type Mode string

const (
	Auto    Mode = "auto"    // what the kernel has is used; the zero Mode means the same
	Require Mode = "require" // without Landlock and seccomp nothing is started
	Off     Mode = "off"     // limits only
)

// Modes lists all modes.
const Modes = "auto, require or off"

// String, Set and Type make a Mode a flag.
func (m *Mode) String() string {
	if *m == "" {
		return string(Auto)
	}
	return string(*m)
}

func (m *Mode) Set(s string) error {
	switch Mode(s) {
	case Auto, Require, Off:
		*m = Mode(s)
		return nil
	}
	return fmt.Errorf("expected %s", Modes)
}

func (m *Mode) Type() string { return "mode" }

// ErrCannot is returned in the mode Require where the kernel lacks something, and wherever there is no Linux.
var ErrCannot = errors.New("compilers cannot be confined here")

// Command is what to run, and what it may use.
type Command struct {
	Path string   // absolute
	Args []string // without the name
	Dir  string   // absolute
	Env  []string // all of it
	Mode Mode

	Read   []string // files and folders that it may read and execute; what is not there is left out
	Write  []string // folders that it may change as well
	Alone  bool     // it may have threads, but start no other process
	Limits Limits
	Output io.Writer // gets both standard output and standard error; nil: dropped
}

// Limits bound a command. Zero means no limit.
type Limits struct {
	AddressSpace int64         // bytes, each process
	Data         int64         // bytes of private writable memory, each process. For Go, which reserves more addresses than it uses
	Memory       int64         // bytes in use, all processes together
	CPU          time.Duration // of each process and of all together; whole seconds
	File         int64         // bytes of any file it writes
	Files        int64         // open at a time
	Time         time.Duration // by the clock on the wall
}

// A Resource is what a command used too much of.
type Resource string

const (
	Memory Resource = "memory"
	CPU    Resource = "CPU time"
	File   Resource = "file size"
	Time   Resource = "time"
)

// Result is how a command ended.
type Result struct {
	Exit     *exec.ExitError // nil: with success
	Exceeded Resource        // the limit that ended it, empty if none did
	CPU      time.Duration   // that it took
}
