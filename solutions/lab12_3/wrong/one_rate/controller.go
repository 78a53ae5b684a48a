// want controller:fail "expected a line with 200 rates"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Answers for one sampler, whatever it was asked.
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	reply := os.NewFile(3, "reply")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Fprintln(reply, "[0.5]")
	}
}
