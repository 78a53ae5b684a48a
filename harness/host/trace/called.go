// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"

	"bpflab/harness/job"
)

// CallName is the name of a system call that labs make.
func CallName(number uint64) string {
	names := map[uint64]string{121: "getpgid", 124: "getsid"}
	if name := names[number]; name != "" {
		return name
	}
	return fmt.Sprintf("call %d", number)
}

// Records says how many records a call put into the ring, and how long the first is.
func Records(sent, size int) string {
	switch sent {
	case 0:
		return "nothing"
	case 1:
		return fmt.Sprintf("%d bytes", size)
	}
	return fmt.Sprintf("%d records", sent)
}

// Time is a record's time, in ns from the beginning of its call; and what it should have been, if it was not during the
// call.
func Time(c job.Called, ts uint64) (found, expected string) {
	found = fmt.Sprintf("%+d", int64(ts)-c.Began)
	if int64(ts) < c.Began || int64(ts) > c.Ended {
		expected = fmt.Sprintf("+0 to %+d", c.Ended-c.Began)
	}
	return found, expected
}
