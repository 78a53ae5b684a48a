// SPDX-License-Identifier: Apache-2.0

package qemu

import "strings"

// A quirk is a CPU feature that is taken away from guests, and why.
type quirk struct {
	Feature string
	Exact   bool // only for exact guests
	Why     string
}

var quirks = []quirk{
	{"cx16", false, "QEMU 7.2 corrupts a guest's memory after cmpxchg16b: Linux 6.12 oopsed in 10 of 24 runs, without it in 0 of 24"},
	{"rdrand", true, "a host's random numbers would make two runs differ"},
	{"rdseed", true, "a host's random numbers would make two runs differ"},
}

// cpuModel is the CPU of TCG guests: the same in every QEMU, so that scores agree. "max" is
// another in each, and a packet takes 70% more instructions on it, most of them for mitigations.
func cpuModel(exact bool) string {
	model := []string{"qemu64-v1"}
	for _, q := range quirks {
		if exact || !q.Exact {
			model = append(model, "-"+q.Feature)
		}
	}
	return strings.Join(model, ",")
}
