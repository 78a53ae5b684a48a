// SPDX-License-Identifier: Apache-2.0

// Package observe is the guest's side of the lab.
package observe

// Seen is what became of attempts to remove a file.
type Seen struct{ Made, Counted, Failed, CountedFailed uint64 }
