// SPDX-License-Identifier: Apache-2.0

package awake

// spin starts a process that does nothing, without end, and returns its ID, or -errno.
//
// A kernel shares a CPU, even with a process that is to have it only when nobody else wants it:
// after 0.7 to 6 ms of work it gives that one as much, or a whole tick. So if it has the CPU back
// after a long time, it yields, 50 µs later: before that a kernel would hand the CPU back to it.
// It does not yield more often, as each time is a system call, and labs observe these.
func spin() (pid int)

// nothing carries out that many rounds of instructions that do nothing.
func nothing(rounds int)
