// want controller:fail "where 1 rates were asked for"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Answers with numbers of thousands of digits.
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
		each := (1<<20 - 100) / n
		b := make([]byte, 0, 1<<20)
		b = append(b, '[')
		for i := 0; i < n; i++ {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, "0.5"...)
			for k := 0; k < each-10; k++ {
				b = append(b, '0')
			}
		}
		out.Write(append(b, ']', '\n'))
	}
}
