// want controller:fail "it answered with more than"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Begins an answer and does not come to its end.
package main

import "os"

func main() {
	reply := os.NewFile(3, "reply")
	for {
		if _, err := reply.WriteString("[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, "); err != nil {
			return
		}
	}
}
