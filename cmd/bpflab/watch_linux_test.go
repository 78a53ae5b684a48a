// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// output is what a command has printed so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// A watch shows what a save is worth, drops the grade of an older save with all its guests,
// and leaves nothing behind.
func TestWatch(t *testing.T) {
	cache, folder, temporary := warmCache(t, "6.12"), t.TempDir(), t.TempDir()
	save := func(text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(folder, "counter.bpf.c"), []byte(text), 0o644))
	}
	source := func(dir string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, "counter.bpf.c"))
		require.NoError(t, err)
		return string(text)
	}
	save("int broken(\n")

	var out output
	cmd := command(t, "watch", "lab12_1", "--from", folder, "--cache", cache, "--kernels", "6.12")
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer cmd.Process.Kill()
	until := func(what string, done func() bool) {
		t.Helper()
		require.Eventually(t, done, 3*time.Minute, 10*time.Millisecond, "%s; so far:\n%s", what, &out)
	}
	graded := func() int { return strings.Count(out.String(), "watching "+folder) }

	until("a compile error", func() bool { return graded() == 1 })
	assert.Contains(t, out.String(), "does not compile")
	assert.Contains(t, out.String(), "counter.bpf.c:1:")

	// A header beside the source is part of it.
	require.NoError(t, os.WriteFile(filepath.Join(folder, "part.h"), []byte("#error nobody asks\n"), 0o644))
	save("#include \"part.h\"\n")
	until("an error in a header", func() bool { return graded() == 2 })
	assert.Contains(t, out.String(), "nobody asks")
	assert.Contains(t, out.String(), "; watching "+folder+"/counter.bpf.c, part.h ──\n")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "part.h"), []byte("#error another\n"), 0o644))
	until("another error in a header", func() bool { return graded() == 3 })
	assert.Contains(t, out.String(), "part.h:1:")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "unused.h"), []byte("#error no\n"), 0o644))

	// In the middle of a grade comes another save.
	save(source(starter(t)))
	until("a guest", func() bool { return guests(t, cache) > 0 })
	old := guestIDs(t, cache)
	save(source(solution(t)))
	until("the old guests' end", func() bool {
		return !slices.ContainsFunc(guestIDs(t, cache), func(id string) bool { return slices.Contains(old, id) })
	})
	until("a report", func() bool { return graded() == 4 })
	assert.Contains(t, out.String(), "verifier:  6.12 pass")
	assert.Equal(t, 1, strings.Count(out.String(), "100/100"))
	assert.NotContains(t, out.String(), "30/100", "the report of a grade that a save has ended")
	assert.Zero(t, guests(t, cache), "guests left")

	require.NoError(t, os.Remove(filepath.Join(folder, "counter.bpf.c")))
	until("the file is missed", func() bool { return strings.Contains(out.String(), "── counter.bpf.c: gone;") })

	// It comes back, and in the middle of its grade comes Ctrl-C.
	save(source(starter(t)))
	until("the file is back", func() bool { return strings.Contains(out.String(), "counter.bpf.c: back") })
	until("a guest", func() bool { return guests(t, cache) > 0 })
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	select {
	case err := <-ended:
		assert.NoError(t, err, "Ctrl-C is how a watch ends")
	case <-time.After(time.Minute):
		t.Fatalf("it does not end:\n%s", &out)
	}
	assert.Equal(t, 4, graded())
	assert.Zero(t, guests(t, cache), "guests left")
	assertNoTemporaries(t, cache)
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)
}
