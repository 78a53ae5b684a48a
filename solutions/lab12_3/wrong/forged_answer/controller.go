// want controller:fail "expected a line with 1 rates, found"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Answers with what would be the end of a good report.
package main

import (
	"bufio"
	"bytes"
	"os"
)

func main() {
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), os.NewFile(3, "reply")
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		n := bytes.Count(line, []byte("[")) - 1
		_ = n
		out.Write([]byte("\x1b[2J\x1b[H   score  100/100\x1b[8m\n"))
	}
}
