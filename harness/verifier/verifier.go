// SPDX-License-Identifier: Apache-2.0

// Package verifier loads programs and reports what the verifier made of them.
//
// A rejection is a result, not an error: it is what the student came to see.
// Two loads of one object on one kernel give equal reports, to the byte.
package verifier

import "github.com/cilium/ebpf"

// A Report is what one kernel's verifier made of an object: of the program that Load chooses.
type Report struct {
	Program  string   `json:"program"`
	Accepted bool     `json:"accepted"`
	Stats    Stats    `json:"stats"`
	Errno    string   `json:"errno,omitempty"`   // such as "EACCES"
	Message  string   `json:"message,omitempty"` // why not, in the words of who said it
	By       Speaker  `json:"by,omitempty"`      // who said it
	Source   string   `json:"source,omitempty"`  // file:line: text of what was rejected, if known
	Log      []string `json:"log,omitempty"`     // last lines of a rejection, at most 20

	// Trace is more of a rejection's log than Log, and has the states of registers on every kernel: the last
	// lines, at most 200 and 32 KiB. It is for package explain, not for readers.
	Trace []string `json:"trace,omitempty"`

	// Whole is the whole log of a rejection, nil if nobody asked for it or there is none, see MaxTraced.
	Whole *Log `json:"whole,omitempty"`

	// Relocation is the field or type, such as "task_struct.state", that the kernel does not have: the
	// rejected instruction accesses it, and the loading library made it invalid for that.
	Relocation string `json:"relocation,omitempty"`

	// Missing says what the kernel has in place of Relocation. The host adds it, where it knows the kernel's types.
	Missing string `json:"missing,omitempty"`

	// Try is what a run takes at a first try, ns: set by labs before they run a program many times.
	Try float64 `json:"try,omitempty"`
}

// A Speaker is who said why a program was not loaded.
type Speaker string

// Speakers. Verifier is the zero value: it says most.
const (
	Verifier Speaker = ""
	Kernel   Speaker = "kernel" // an error number without a log, or of a map
	Loader   Speaker = "loader" // the library that loads: it gave up before it asked the kernel
)

func (s Speaker) String() string {
	if s == Verifier {
		return "verifier"
	}
	return string(s)
}

// MaxRun is how many instructions a verifier may have processed of a program that is run. It
// follows a loop round by round, so a program that runs for long has many; and at ten times any
// lab's budget its points are gone anyway.
const MaxRun = 10_000

// MaxTraced is up to how many processed instructions a rejected program is
// loaded again for the log of its last path. The log takes about 100 bytes an
// instruction and is read into memory, of which a guest has little.
const MaxTraced = 1 << 16

// MaxTry is how long a run may take, ns: five times what the slowest starter takes. A program of few steps
// may call expensive helpers in each of them. With longer runs, whether a guest ends within its limit on
// CPU time would depend on the host.
const MaxTry = 10_000

// Runs reports whether a program is to be run: it was accepted, and will not keep a guest busy for
// minutes.
func (r Report) Runs() bool { return r.Accepted && r.Stats.Processed <= MaxRun && r.Try <= MaxTry }

// Observed is the name under which labs report what Load said of the submission.
const Observed = "load"

// ObservedSMP is the name under which they report the same of a guest of two CPUs. It is the program's
// doing as well if it is not run there.
const ObservedSMP = "load_smp"

// Rejection is of a program that was to be run, with other values of its variables: with these it is not.
type Rejection struct {
	Spec   *ebpf.CollectionSpec // whose
	Report Report
}

func (r *Rejection) Error() string {
	return "load a program that was accepted with other variables: " + r.Report.Message
}

// GaveUp is the message of a report on a program that a verifier left without a verdict.
const GaveUp = "the verifier gave up (EFAULT)"
