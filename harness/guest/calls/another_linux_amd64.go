// SPDX-License-Identifier: Apache-2.0

package calls

// another starts a process that makes a system call n times and ends, and returns its ID, or -errno. The
// process has this one's memory, and this thread stands still until it has ended (vfork).
func another(number, first, n uintptr) (pid int)
