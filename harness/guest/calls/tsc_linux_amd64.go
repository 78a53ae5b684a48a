// SPDX-License-Identifier: Apache-2.0

package calls

// ticks is the CPU's time-stamp counter. In an exact guest it counts instructions, as the clocks do,
// and reading it is one instruction and no system call, which a traced program would see.
func ticks() int64
