// SPDX-License-Identifier: Apache-2.0

// Package observe is the guest's side of the lab.
package observe

// Seen is what became of a file to be made.
type Seen struct {
	Mode    uint32
	Refused bool
}
