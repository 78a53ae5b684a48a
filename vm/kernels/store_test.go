// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// built writes what a kernel build leaves: a vmlinuz and a modules directory
// with a link to the source.
func built(t *testing.T) (vmlinuz, modules string) {
	t.Helper()
	dir := t.TempDir()
	vmlinuz, modules = filepath.Join(dir, "bzImage"), filepath.Join(dir, "modules")
	require.NoError(t, os.WriteFile(vmlinuz, bzImage("6.6.1-mine"), 0o644))
	require.NoError(t, os.MkdirAll(filepath.Join(modules, "kernel"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(modules, "kernel/veth.ko"), []byte("veth"), 0o644))
	require.NoError(t, os.Symlink("/", filepath.Join(modules, "build")))
	return vmlinuz, modules
}

func TestAdd(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	vmlinuz, modules := built(t)
	k, err := s.Add(t.Context(), "mine", vmlinuz, modules)
	require.NoError(t, err)
	assert.Equal(t, "6.6.1-mine", k.Release)
	assert.Empty(t, k.Version)
	assert.FileExists(t, filepath.Join(k.Modules, "kernel/veth.ko"))
	assert.NoFileExists(t, filepath.Join(k.Modules, "build"))
	requireNoTemp(t, s)
	assert.NoError(t, s.Fetch(t.Context(), "mine"), "nothing to fetch")

	// Again, now without modules.
	k, err = s.Add(t.Context(), "mine", vmlinuz, "")
	require.NoError(t, err)
	assert.Empty(t, k.Modules)

	list, err := s.List()
	require.NoError(t, err)
	require.Len(t, list, len(Names())+1)
	assert.Equal(t, Status{Name: "5.10", Release: locked["5.10"].Release, Version: locked["5.10"].Version, State: NotFetched}, list[0])
	last := list[len(list)-1]
	assert.Equal(t, "mine", last.Name)
	assert.Equal(t, Cached, last.State)
	assert.Greater(t, last.Size, int64(1024))

	require.NoError(t, os.Truncate(k.Vmlinuz, 0))
	_, err = s.Get("mine")
	assert.ErrorIs(t, err, ErrDamaged)
	assert.ErrorContains(t, err, "bpflab kernels add mine")
	list, err = s.List()
	require.NoError(t, err)
	assert.Equal(t, Damaged, list[len(list)-1].State)
}

func TestAddRefuses(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	vmlinuz, modules := built(t)
	for _, tt := range []struct{ name, vmlinuz, modules, want string }{
		{"6.12", vmlinuz, "", "belongs to bpflab"},
		{"host", vmlinuz, "", "belongs to bpflab"},
		{"../x", vmlinuz, "", "expected lower-case letters"},
		{".tmp-x", vmlinuz, "", "expected lower-case letters"},
		{"", vmlinuz, "", "expected lower-case letters"},
		{"mine", vmlinuz + ".none", "", "no such file"},
		{"mine", filepath.Join(modules, "kernel/veth.ko"), "", "not a bzImage"},
		{"mine", vmlinuz, t.TempDir(), "expected .ko files"},
	} {
		_, err := s.Add(t.Context(), tt.name, tt.vmlinuz, tt.modules)
		assert.ErrorContains(t, err, tt.want)
	}
	assert.Empty(t, s.added())
}

func TestGetSeesDamage(t *testing.T) {
	for name, spoil := range map[string]func(k Kernel) error{
		"expected sha256": func(k Kernel) error { return os.WriteFile(k.Vmlinuz, bzImage("6.6.2-mine"), 0o644) },
		"found no file":   func(k Kernel) error { return os.Remove(k.Vmlinuz) },
		"kernel.json":     func(k Kernel) error { return os.Truncate(filepath.Join(filepath.Dir(k.Vmlinuz), recordFile), 10) },
		"1 modules":       func(k Kernel) error { return os.RemoveAll(k.Modules) },
	} {
		s := &Store{Dir: t.TempDir()}
		vmlinuz, modules := built(t)
		k, err := s.Add(t.Context(), "mine", vmlinuz, modules)
		require.NoError(t, err)
		require.NoError(t, spoil(k))
		_, err = s.Get("mine")
		assert.ErrorIs(t, err, ErrDamaged)
		assert.ErrorContains(t, err, name)
	}
}

func TestGetUnknown(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	for _, name := range []string{"6.6", "", "..", "../x", ".lock"} {
		_, err := s.Get(name)
		assert.ErrorIs(t, err, ErrUnknown, name)
		assert.ErrorContains(t, err, "5.10, 6.1, 6.12", name)
	}
}

func TestCacheNotWritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	s := &Store{Dir: file}
	vmlinuz, _ := built(t)
	for _, err := range []error{
		s.Fetch(t.Context(), "5.10"),
		func() error { _, err := s.Add(t.Context(), "mine", vmlinuz, ""); return err }(),
	} {
		assert.ErrorContains(t, err, "expected a directory to write to at "+file)
	}
}

func TestLockWaits(t *testing.T) {
	said := 0
	s := &Store{Dir: t.TempDir(), Progress: func(string, ...any) { said++ }}
	unlock, err := s.lock(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
	defer cancel()
	_, err = s.lock(ctx)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, 1, said)

	// What a dead writer left is gone once the lock is ours.
	_, err = s.temp()
	require.NoError(t, err)
	unlock()
	unlock, err = s.lock(t.Context())
	require.NoError(t, err)
	defer unlock()
	requireNoTemp(t, s)
}

func TestHostKernel(t *testing.T) {
	root := t.TempDir()
	_, err := hostKernel(root, "6.1.0-1-amd64")
	assert.ErrorContains(t, err, "found no file")

	require.NoError(t, os.MkdirAll(filepath.Join(root, "boot"), 0o755))
	name := filepath.Join(root, "boot/vmlinuz-6.1.0-1-amd64")
	require.NoError(t, os.WriteFile(name, bzImage("6.1.0-1-amd64"), 0o644))
	k, err := hostKernel(root, "6.1.0-1-amd64")
	require.NoError(t, err)
	assert.Equal(t, "host", k.Name)
	assert.Equal(t, name, k.Vmlinuz)
	assert.Len(t, k.SHA256, 64)
	assert.Empty(t, k.Modules)

	require.NoError(t, os.WriteFile(name, []byte("arm64"), 0o644))
	_, err = hostKernel(root, "6.1.0-1-amd64")
	assert.ErrorIs(t, err, errNotBzImage)
}
