// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFitted(t *testing.T) {
	const text = "task 3\n\n1. Two CPUs can be between your lookup and your update.\n    try: Test the pointer before it is used.\n│ what somebody else has written, here\n"
	assert.Equal(t, text, fitted(text, 0), "no terminal")
	assert.Equal(t, text, fitted(text, 200))
	assert.Equal(t, `task 3

1. Two CPUs can be between
   your lookup and your
   update.
    try: Test the pointer
    before it is used.
│ what somebody else has
│ written, here
`, fitted(text, 27))
	assert.Equal(t, "no end\n", fitted("no end", 80))
	assert.Empty(t, fitted("", 80))
	for line := range strings.Lines(fitted(strings.Repeat("x", 300), 50)) {
		assert.LessOrEqual(t, len(line), 51)
	}
}
