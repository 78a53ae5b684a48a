// want controller:fail "it ended early: exit status 3"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Ends, and leaves its ends of all pipes in a socket that waits in itself to be received: they stay
// open.
package main

import (
	"os"
	"syscall"

	"bpflab/harness/controller"
)

func main() { controller.Main(func() controller.Controller { return ends{} }) }

type ends struct{}

func (ends) Next(controller.Interval) float64 {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err == nil {
		err = syscall.Sendmsg(pair[0], []byte{0}, syscall.UnixRights(0, 1, 2, 3, pair[0], pair[1]), nil, 0)
	}
	if err != nil {
		panic(err)
	}
	os.Exit(3)
	return 0
}
