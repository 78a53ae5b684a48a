// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/job"
)

func TestSeedOf(t *testing.T) {
	content := strings.Repeat("ab", 32)
	seed, keyed, err := seedOf(content)
	require.NoError(t, err)
	assert.False(t, keyed)
	assert.Equal(t, job.Seed(0x35c7167738856c3a), seed, "another seed for the same files makes every older grade another")
	other, _, err := seedOf(strings.Repeat("ac", 32))
	require.NoError(t, err)
	assert.NotEqual(t, seed, other)

	t.Setenv(seedKey, "a course's key of some length")
	mine, keyed, err := seedOf(content)
	require.NoError(t, err)
	assert.True(t, keyed)
	assert.NotEqual(t, seed, mine)

	t.Setenv(seedKey, "")
	file := filepath.Join(t.TempDir(), "key")
	t.Setenv(seedKeyFile, file)
	_, _, err = seedOf(content)
	assert.ErrorContains(t, err, "does not exist")
	var usage *UsageError
	assert.ErrorAs(t, err, &usage)
	require.NoError(t, os.WriteFile(file, []byte("short"), 0o600))
	_, _, err = seedOf(content)
	assert.ErrorContains(t, err, "at least 16 bytes, found 5")
	require.NoError(t, os.WriteFile(file, []byte("a course's key of some length"), 0o600))
	again, _, err := seedOf(content)
	require.NoError(t, err)
	assert.Equal(t, mine, again, "from a file, the same")

	for _, bad := range []string{"", "xyz", strings.Repeat("ab", 31)} {
		_, _, err := seedOf(bad)
		assert.ErrorContains(t, err, "expected a SHA-256 in hex", bad)
	}
}
