// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"fmt"
	"strings"
)

// Why a guest brought no result. Whether the job or the machine is to blame, a run of another job
// tells.
var (
	ErrBoot     = errors.New("guest did not boot")                      // it ended or fell silent before its agent spoke
	ErrSnapshot = errors.New("guest's snapshot cannot be made or used") // no room for it; damaged, or not of this QEMU
	ErrSilent   = errors.New("guest fell silent")                       // its agent spoke, then nothing for Config.Silence
	ErrDeadline = errors.New("guest ran out of time")                   // it still worked at Config.Deadline
	ErrBusy     = errors.New("guest took too much CPU time")            // more than Config.CPU
	ErrPanic    = errors.New("guest kernel broke")                      // an oops, panic, warning or stall on the console
	ErrKilled   = errors.New("guest was killed")                        // QEMU died of a signal that bpflab did not send
	ErrProtocol = errors.New("guest broke the protocol")                // it ended without "done", or said what none may say
	ErrAgent    = errors.New("guest's agent could not work")            // the agent says why
	ErrClock    = errors.New("guest's clock was moved")                 // what an exact guest counts would differ from run to run
)

// Failure is a run without a result. It unwraps to one of the errors above and, where
// there is one, to the cause.
type Failure struct {
	Kind    error
	Cause   error  // may be nil
	Detail  string // what was seen
	Console string // the last lines
	Command string // starts the same guest by hand
}

func (f *Failure) Error() string {
	s := f.Kind.Error()
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	if f.Cause != nil {
		s += ": " + f.Cause.Error()
	}
	return s
}

func (f *Failure) Unwrap() []error {
	if f.Cause == nil {
		return []error{f.Kind}
	}
	return []error{f.Kind, f.Cause}
}

// Report is the failure with its evidence, for people: the console's end and, if that is wanted, the command.
func (f *Failure) Report(command bool) string {
	console := f.Console
	if strings.TrimSpace(console) == "" {
		console = "(nothing)"
	}
	text := fmt.Sprintf("%v\nconsole, last lines:\n  %s", f, strings.ReplaceAll(strings.TrimRight(console, "\n"), "\n", "\n  "))
	if command {
		return text + "\nto start this guest by hand:\n  " + f.Command
	}
	return text + "\n--verbose shows the command that starts this guest"
}
