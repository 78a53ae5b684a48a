// want controller:fail "it answered more than it was asked"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Answers each question twice, so that the second answer is ready before the next question.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

func main() {
	reply := os.NewFile(3, "reply")
	for lines := bufio.NewReader(os.Stdin); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		rates := strings.Repeat(",0.5", strings.Count(line, "[")-1)[1:]
		for range 2 {
			fmt.Fprintf(reply, "[%s]\n", rates)
		}
	}
}
