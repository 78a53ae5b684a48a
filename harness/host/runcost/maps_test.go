// SPDX-License-Identifier: Apache-2.0

package runcost

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/job"
)

func TestReadEntries(t *testing.T) {
	got, err := ReadEntries(strings.NewReader(`[{"key": 258, "value": "0x0a000001"}, {"key": ["0x01", 2, "255"], "value": []}]`))
	require.NoError(t, err)
	assert.Equal(t, []job.Entry{
		{Key: []byte{2, 1, 0, 0, 0, 0, 0, 0}, Values: [][]byte{{10, 0, 0, 1}}},
		{Key: []byte{1, 2, 255}, Values: [][]byte{{}}},
	}, got)
	for text, want := range map[string]string{
		`{}`: "expected a JSON list", `[{"key": 1}]`: "entry 1: its value: expected a number", `[{"value": 1}]`: "entry 1: its key: expected a number",
		`[{"key": -1, "value": 1}]`: "its key", `[{"key": 1.5, "value": 1}]`: "its key", `[{"key": "12", "value": 1}]`: "its key", `[{"key": "0x1", "value": 1}]`: "its key",
		`[{"key": [256], "value": 1}]`: "its key", `[{"key": [{}], "value": 1}]`: "its key", `[{"key": null, "value": 1}]`: "its key",
	} {
		_, err := ReadEntries(strings.NewReader(text))
		assert.ErrorContains(t, err, want, text)
	}
	_, err = ReadEntries(strings.NewReader(strings.Repeat(" ", maxMap+1)))
	assert.ErrorContains(t, err, "larger than")
}

func FuzzReadEntries(f *testing.F) {
	f.Add(`[{"key": 1, "value": ["0xff", 0]}]`)
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := ReadEntries(strings.NewReader(text))
		for _, e := range entries {
			assert.Len(t, e.Values, 1)
		}
		if err != nil {
			assert.Nil(t, entries)
		}
	})
}
