// SPDX-License-Identifier: Apache-2.0

// Package verifier loads programs and reports what the verifier made of them.
//
// A rejection is a result, not an error: it is what the student came to see.
// Two loads of one object on one kernel give equal reports, to the byte.
package verifier

// A Report is what one kernel's verifier made of one program.
type Report struct {
	Program  string   `json:"program"`
	Accepted bool     `json:"accepted"`
	Stats    Stats    `json:"stats"`
	Errno    string   `json:"errno,omitempty"`   // such as "EACCES"
	Message  string   `json:"message,omitempty"` // the verifier's last word
	Source   string   `json:"source,omitempty"`  // file:line: text of what it rejected, if known
	Log      []string `json:"log,omitempty"`     // last lines of a rejection, at most 20
}

// gaveUp is the message of a report on a program that a verifier left without a verdict.
const gaveUp = "the verifier gave up (EFAULT)"
