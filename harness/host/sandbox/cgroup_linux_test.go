// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A group's limit ended a process only if the group has reached it.
func TestOutOfMemory(t *testing.T) {
	g := &group{dir: t.TempDir()}
	assert.False(t, g.outOfMemory(), "nothing is known")
	for events, want := range map[string]bool{
		"low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n": false,
		"low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 1\n": true,
		"low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\noom_group_kill 0\n": false, // by the machine
		"low 0\nhigh 0\nmax 9\noom 1\noom_kill 0\noom_group_kill 0\n": false,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(g.dir, "memory.events"), []byte(events), 0o644))
		assert.Equal(t, want, g.outOfMemory(), "%q", events)
	}
}
