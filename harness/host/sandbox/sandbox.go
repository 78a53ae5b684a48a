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

import "fmt"

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
