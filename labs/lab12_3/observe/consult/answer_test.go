// SPDX-License-Identifier: Apache-2.0

package consult

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/labs/lab12_3/controller"
)

func TestReadAnswer(t *testing.T) {
	for line, want := range map[string][]float64{
		"[0.5]\n":             {0.5},
		" [ 0.01 , 1 ] \n":    {0.01, 1},
		"[1e-2,0.1e1,5E-1]\n": {0.01, 1, 0.5},
	} {
		got, err := readAnswer([]byte(line), len(want))
		require.NoError(t, err, line)
		assert.Equal(t, want, got)
	}
	for line, message := range map[string]string{
		"":                   "expected a line with 2 rates",
		"\n":                 "expected a line with 2 rates",
		"[0.5]\n":            `expected a line with 2 rates, found "[0.5]\n"`,
		"[0.5,0.5,0.5]\n":    "expected a line with 2 rates",
		"[0.5,0.5] [0.5]\n":  "expected a line with 2 rates",
		"[0.5,\"0.5\"]\n":    "expected a line with 2 rates",
		"[0.5,NaN]\n":        "expected a line with 2 rates",
		"[0.5,1e999]\n":      "expected a line with 2 rates",
		"null\n":             "expected a line with 2 rates",
		"{}\n":               "expected a line with 2 rates",
		"\x00\x1b[2J\xff\n":  `\x1b`,
		"[0.5,null]\n":       "a rate of 0;",
		"[0.5,0.0099]\n":     "a rate of 0.0099;",
		"[1.0001,0.5]\n":     "a rate of 1.0001; a rate is 0.01 to 1",
		"[-0.5,0.5]\n":       "a rate of -0.5;",
		"[1e300,0.5]\n":      "a rate of 1e+300;",
		"[0.5,[0.5]]\n":      "expected a line with 2 rates",
		"[0.5,0.5]garbage\n": "expected a line with 2 rates",
	} {
		_, err := readAnswer([]byte(line), 2)
		assert.ErrorContains(t, err, message, "%q", line)
	}
	_, err := readAnswer([]byte("[0.5"+strings.Repeat("0", 5000)+"]\n"), 1)
	assert.ErrorContains(t, err, "it answered with 5006 bytes where 1 rates were asked for")
	_, err = readAnswer(bytes.Repeat([]byte("garbage"), 1<<16), 1)
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 200, "a report has no room for all of it")
}

// A controller answers what it likes.
func FuzzReadAnswer(f *testing.F) {
	for _, line := range []string{"[0.5]\n", "[0.5,0.01]", "null", "[1e999]", "[null]", "[[[[", "[0.5]\n[0.5]\n", "\xff\xfe"} {
		f.Add([]byte(line), 1)
	}
	f.Fuzz(func(t *testing.T, line []byte, n int) {
		n = int(uint(n) % 300)
		rates, err := readAnswer(line, n)
		if err != nil {
			assert.Nil(t, rates)
			assert.Less(t, len(err.Error()), 1000)
			return
		}
		require.Len(t, rates, n)
		for _, r := range rates {
			assert.True(t, r >= controller.MinRate && r <= controller.MaxRate, "%v", r)
		}
	})
}
