// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCachePrune(t *testing.T) {
	cache := t.TempDir()
	put := func(name string, mib int, age time.Duration) {
		t.Helper()
		path := filepath.Join(cache, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, make([]byte, mib<<20), 0o644))
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(path, at, at))
		require.NoError(t, os.Chtimes(filepath.Dir(path), at, at))
	}
	call := func(args ...string) string {
		t.Helper()
		var out, notes bytes.Buffer
		code := run(t.Context(), &out, &notes, append([]string{"cache", "--cache", cache}, args...))
		require.Zero(t, code, "%s", &notes)
		return out.String()
	}
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(cache, name))
		return err == nil
	}
	put("objects/a", 2, time.Minute)
	put("programs/b", 3, 3*time.Minute)
	put("programs/.build-dead/x", 1, 2*time.Hour)
	put("programs/.build-live/x", 1, 0)
	put("gopackages/c/x.a", 4, 2*time.Minute)
	put("initramfs/d.cpio", 1, time.Minute)
	put("agents/e", 1, time.Minute)
	put("snapshots/.6.12-exact.lock", 0, 2*time.Hour)
	put("kernels/6.12/vmlinuz", 5, time.Hour)

	list := call()
	for _, want := range []string{`objects +1 +2 `, `programs +2 +4 `, `gopackages +1 +4 `, `initramfs +1 +1 `, `agents +1 +1 `, `kernels +1 +5 `, `snapshots +0 +0 `, ` 17 `} {
		assert.Regexp(t, want, list)
	}
	assert.Contains(t, call("prune", "--keep", "8"), "freed 4 MiB")
	assert.False(t, there("programs/.build-dead") || there("programs/b"))
	assert.True(t, there("gopackages/c") && there("objects/a"))
	call("prune")
	assert.False(t, there("objects/a") || there("gopackages/c") || there("initramfs/d.cpio") || there("agents/e"))
	assert.True(t, there("programs/.build-live") && there("kernels/6.12") && there("snapshots/.6.12-exact.lock"))
	call("prune", "--kernels")
	assert.False(t, there("kernels/6.12"))
}
