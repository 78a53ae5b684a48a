// SPDX-License-Identifier: Apache-2.0

package awake

// spin starts a process that does nothing, without end, and returns its ID, or -errno.
//
// A kernel gives some of the CPU even to a process of SCHED_IDLE: after 0.7 to 6 ms of somebody
// else's work it runs for as long, or until the next tick. So when the spinner gets the CPU after a
// long time, it yields 50 µs later; sooner, a kernel would give the CPU back to it at once. It does
// not yield more often, as each time is a system call, and labs observe these.
func spin() (pid int)

// nothing carries out that many rounds of instructions that do nothing.
func nothing(rounds int)
