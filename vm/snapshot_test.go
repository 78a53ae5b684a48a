// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/renameio/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/vm/qemu"
)

func ensure(t testing.TB, s Snapshots, c Config) string {
	t.Helper()
	path, err := s.Ensure(t.Context(), "guest", c, []string{"part"}, nil)
	require.NoError(t, err)
	return path
}

// assertKept asserts that a folder holds so many snapshots, each whole, and nothing beside.
func assertKept(t testing.TB, dir string, want int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	kept := 0
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasSuffix(path, ".lock"):
		case strings.HasSuffix(path, recordExt):
			assert.FileExists(t, strings.TrimSuffix(path, recordExt)+snapshotExt)
		default:
			assert.True(t, whole(path), "%s is left", path)
			kept++
		}
	}
	assert.Equal(t, want, kept)
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	s := Snapshots{Dir: filepath.Join(t.TempDir(), "new")}
	c := fakeGuest(t, "well", "")
	path := ensure(t, s, c)
	assert.Equal(t, path, ensure(t, s, c))
	assert.Equal(t, 1, starts(t, c.Binary), "the second is the first")
	assertKept(t, s.Dir, 1)

	c.Snapshot = path
	_, err := Run(t.Context(), c, []byte("{}"))
	require.NoError(t, err)

	c.Snapshot = ""
	for what, other := range map[string]func(c *Config){
		"another QEMU":        func(c *Config) { c.Binary = fakeQEMU(t, "well", "QEMU emulator version 90.1", "") },
		"more memory":         func(c *Config) { c.MemoryMiB = 512 },
		"another cmdline":     func(c *Config) { c.Cmdline = []string{"quiet"} },
		"another accelerator": func(c *Config) { c.Accel = qemu.KVM },
		"exact":               func(c *Config) { c.Exact = true },
	} {
		changed := c
		other(&changed)
		assert.NotEqual(t, path, ensure(t, s, changed), what)
	}
	c.Kernel, c.Initrd = "the same in another place", "and this as well"
	assert.Equal(t, path, ensure(t, s, c))
	assertKept(t, s.Dir, 6)
}

// A guest made of other parts is another one, however alike they are when put together.
func TestSnapshotParts(t *testing.T) {
	t.Parallel()
	s, c := Snapshots{Dir: t.TempDir()}, fakeGuest(t, "well", "")
	made := map[string][]string{}
	for _, parts := range [][]string{nil, {"kernel", "initramfs"}, {"kernel2", "initramfs"}, {"kernel", "2initramfs"}, {"kernel2initramfs"}} {
		path, err := s.Ensure(t.Context(), "guest", c, parts, nil)
		require.NoError(t, err)
		assert.NotContains(t, made, path, "%q", parts)
		made[path] = parts
	}
}

// Without QEMU there is nothing that a snapshot could be of.
func TestSnapshotWithoutQEMU(t *testing.T) {
	t.Parallel()
	s, c := Snapshots{Dir: filepath.Join(t.TempDir(), "none")}, fakeGuest(t, "well", "")
	c.Binary = filepath.Join(t.TempDir(), "none")
	_, err := s.Ensure(t.Context(), "guest", c, nil, func() { t.Error("nothing is to be booted") })
	assert.ErrorIs(t, err, qemu.ErrNotFound)
	assert.NoDirExists(t, s.Dir)
}

func TestSnapshotsMax(t *testing.T) {
	t.Parallel()
	assert.EqualValues(t, 3<<30, Snapshots{}.max())
	assert.EqualValues(t, 1, Snapshots{Max: 1}.max())
}

func TestSnapshotDamaged(t *testing.T) {
	t.Parallel()
	flip := func(t testing.TB, path string) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		data[len(data)/2] ^= 1
		require.NoError(t, os.WriteFile(path, data, 0o644))
	}
	for _, tt := range []struct {
		name   string
		damage func(t testing.TB, path string) error
		seen   string // by whom runs it; empty: by Ensure already
	}{
		{"truncated", func(_ testing.TB, path string) error { return os.Truncate(path, 100) }, ""},
		{"empty", func(_ testing.TB, path string) error { return os.Truncate(path, 0) }, ""},
		{"longer", func(_ testing.TB, path string) error { return os.Truncate(path, 1<<20) }, ""},
		{"gone", func(_ testing.TB, path string) error { return os.Remove(path) }, ""},
		{"no record", func(_ testing.TB, path string) error { return os.Remove(recordOf(path)) }, ""},
		{"empty record", func(_ testing.TB, path string) error { return os.Truncate(recordOf(path), 0) }, ""},
		{"garbage record", func(_ testing.TB, path string) error {
			return os.WriteFile(recordOf(path), []byte(`{"size": "many"}`), 0o644)
		}, ""},
		{"bit flipped", func(t testing.TB, path string) error { flip(t, path); return nil }, "is damaged: expected 1006 bytes"},
		{"refused by QEMU", func(t testing.TB, path string) error { forge(t, path); return nil }, "load of migration failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, c := Snapshots{Dir: t.TempDir()}, fakeGuest(t, "well", "")
			path := ensure(t, s, c)
			require.NoError(t, tt.damage(t, path))

			damaged := c
			damaged.Snapshot = path
			_, err := Run(t.Context(), damaged, []byte("{}"))
			assert.ErrorIs(t, err, ErrSnapshot)
			assert.ErrorContains(t, err, tt.seen)
			if tt.seen != "" {
				assert.Equal(t, path, ensure(t, s, c), "not seen by its size")
				require.NoError(t, s.Drop(path))
				require.NoError(t, s.Drop(path), "nothing to drop")
			}
			began := starts(t, c.Binary)
			assert.Equal(t, path, ensure(t, s, c))
			assert.Equal(t, began+1, starts(t, c.Binary), "made again")
			assertKept(t, s.Dir, 1)
			_, err = Run(t.Context(), damaged, []byte("{}"))
			assert.NoError(t, err)
		})
	}
}

// forge puts something that no QEMU goes on from in place of a snapshot, with its sum right.
func forge(t testing.TB, path string) {
	t.Helper()
	r, err := readRecord(path)
	require.NoError(t, err)
	data := bytes.Repeat([]byte("garbage "), int(r.Size/8+1))[:r.Size]
	require.NoError(t, os.WriteFile(path, data, 0o644))
	r.CRC32C = crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	require.NoError(t, writeRecord(path, r))
}

// script is a binary for qemu.Config that runs lines of shell before it becomes another.
func script(t testing.TB, lines, binary string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "qemu")
	require.NoError(t, os.WriteFile(name, fmt.Appendf(nil, "#!/bin/sh\n%s\nexec %s \"$@\"\n", lines, binary), 0o755))
	return name
}

func TestSnapshotNotMade(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, lines string
		kind        error
		want        string
	}{
		{"QEMU dies", `[ "$1" = --version ] || { echo out of luck >&2; exit 1; }`, ErrBoot, "out of luck"},
		{"QEMU killed", `[ "$1" = --version ] || { echo out of luck >&2; kill -9 $$; }`, ErrKilled, "QEMU: signal: killed: out of luck"},
		{"QEMU hangs", `[ "$1" = --version ] || exec sleep 3600`, ErrBoot, "not a word for 2s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, c := Snapshots{Dir: t.TempDir()}, fakeGuest(t, "well", "")
			c.Binary, c.Silence = script(t, tt.lines, c.Binary), 2*time.Second
			_, err := s.Ensure(t.Context(), "guest", c, nil, nil)
			requireFailure(t, err, tt.kind)
			assert.ErrorContains(t, err, tt.want)
			assertKept(t, s.Dir, 0)
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		s, c := Snapshots{Dir: t.TempDir()}, fakeGuest(t, "well", "")
		c.Binary = script(t, `[ "$1" = --version ] || exec sleep 3600`, c.Binary)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Ensure(ctx, "guest", c, nil, nil)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assertKept(t, s.Dir, 0)
	})
	t.Run("no record written", func(t *testing.T) {
		t.Parallel()
		s, c := Snapshots{Dir: t.TempDir()}, fakeGuest(t, "well", "")
		path := ensure(t, s, c)
		require.NoError(t, s.Drop(path))
		require.NoError(t, os.MkdirAll(filepath.Join(recordOf(path), "in the way"), 0o755))
		_, err := s.Ensure(t.Context(), "guest", c, []string{"part"}, nil)
		require.Error(t, err)
		assert.NoFileExists(t, path)
		left, err := filepath.Glob(filepath.Join(s.Dir, tempPrefix+"*"))
		require.NoError(t, err)
		assert.Empty(t, left)
	})
	t.Run("folder is a file", func(t *testing.T) {
		t.Parallel()
		s, c := Snapshots{Dir: filepath.Join(t.TempDir(), "file")}, fakeGuest(t, "well", "")
		require.NoError(t, os.WriteFile(s.Dir, nil, 0o644))
		_, err := s.Ensure(t.Context(), "guest", c, nil, nil)
		assert.ErrorContains(t, err, "make a folder for snapshots")
	})
}

// A QEMU that dies as it reads a snapshot has not harmed it.
func TestSnapshotKilledRestoring(t *testing.T) {
	t.Parallel()
	s, c := Snapshots{Dir: t.TempDir()}, fakeGuest(t, "well", "")
	c.Snapshot = ensure(t, s, c)
	mortal := c
	mortal.Binary = script(t, `head -c 10 <&7 >/dev/null; kill -9 $$`, c.Binary)
	_, err := Run(t.Context(), mortal, []byte("{}"))
	requireFailure(t, err, ErrKilled)
	assertKept(t, s.Dir, 1)
	_, err = Run(t.Context(), c, []byte("{}"))
	assert.NoError(t, err)
}

func TestSnapshotTwoAtOnce(t *testing.T) {
	t.Parallel()
	s, c := Snapshots{Dir: t.TempDir()}, fakeGuest(t, "well", "")
	var (
		wg    sync.WaitGroup
		built atomic.Int32
		paths [4]string
		errs  [4]error
	)
	for i := range paths {
		wg.Go(func() {
			paths[i], errs[i] = s.Ensure(t.Context(), "guest", c, nil, func() { built.Add(1) })
		})
	}
	wg.Wait()
	for i := range paths {
		assert.NoError(t, errs[i])
		assert.Equal(t, paths[0], paths[i])
	}
	assert.EqualValues(t, 1, built.Load())
	assert.Equal(t, 1, starts(t, c.Binary))
	assertKept(t, s.Dir, 1)
}

func TestSnapshotsPrune(t *testing.T) {
	t.Parallel()
	s, c := Snapshots{Dir: t.TempDir()}, fakeGuest(t, "well", "")
	var paths []string
	for n := range 4 {
		c.MemoryMiB = 100 + n
		path := ensure(t, s, c)
		old := time.Now().Add(time.Duration(n-10) * time.Hour)
		require.NoError(t, os.Chtimes(path, old, old))
		paths = append(paths, path)
	}
	c.MemoryMiB = 100
	ensure(t, s, c) // the oldest is used again
	list, err := s.List()
	require.NoError(t, err)
	require.Len(t, list, 4)
	assert.Equal(t, paths[0], list[0].Path)
	assert.Equal(t, "guest", list[0].Name)
	assert.EqualValues(t, 1006, list[0].Size)

	freed, err := s.Prune(2 * 1006)
	require.NoError(t, err)
	assert.EqualValues(t, 2*1006, freed)
	assertKept(t, s.Dir, 2)
	assert.FileExists(t, paths[0])
	assert.FileExists(t, paths[3])

	s.Max = 2 * 1006
	c.MemoryMiB = 200
	newest := ensure(t, s, c)
	assertKept(t, s.Dir, 2)
	assert.FileExists(t, newest)
	assert.NoFileExists(t, paths[3], "the least recently used")

	freed, err = s.Prune(0)
	require.NoError(t, err)
	assert.EqualValues(t, 2*1006, freed)
	assertKept(t, s.Dir, 0)
}

// An exact guest whose clock was moved as it paused is made anew, and nobody else uses it.
func TestSnapshotMoved(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ moved, starts int }{{0, 2}, {2, 6}, {99, 6}} {
		file := filepath.Join(t.TempDir(), "moved")
		require.NoError(t, os.WriteFile(file, make([]byte, tt.moved), 0o644))
		s, c := Snapshots{Dir: t.TempDir()}, fakeGuest(t, "moved", file)
		c.Exact = true
		_, err := s.Ensure(t.Context(), "guest", c, nil, func() {
			list, err := s.List()
			assert.NoError(t, err)
			assert.Empty(t, list)
		})
		assert.Equal(t, tt.starts, starts(t, c.Binary))
		if tt.moved == 99 {
			assert.ErrorIs(t, err, ErrClock)
			assertKept(t, s.Dir, 0)
			continue
		}
		require.NoError(t, err)
		assertKept(t, s.Dir, 1)
	}
}

// What a living run writes is not taken for a snapshot.
func TestSnapshotsDraft(t *testing.T) {
	t.Parallel()
	s := Snapshots{Dir: t.TempDir()}
	draft := filepath.Join(s.Dir, tempPrefix+"guest"+snapshotExt)
	require.NoError(t, os.WriteFile(draft, []byte("saved"), 0o644))
	_, err := s.Prune(0)
	require.NoError(t, err)
	assert.FileExists(t, draft)
}

// What a dead run has left goes with the next snapshot that is made; what a living one
// writes stays.
func TestSnapshotsSweep(t *testing.T) {
	t.Parallel()
	s, c := Snapshots{Dir: t.TempDir()}, fakeGuest(t, "well", "")
	dead, living := filepath.Join(s.Dir, tempPrefix+"dead"), filepath.Join(s.Dir, tempPrefix+"living")
	record, err := renameio.NewPendingFile(filepath.Join(s.Dir, "guest.json"), renameio.WithTempDir(s.Dir))
	require.NoError(t, err)
	lock := filepath.Join(s.Dir, ".another.lock")
	for _, path := range []string{dead, living, lock} {
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	for _, path := range []string{dead, record.Name(), lock} {
		require.NoError(t, os.Chtimes(path, yesterday, yesterday))
	}
	ensure(t, s, c)
	assert.NoFileExists(t, dead)
	assert.NoFileExists(t, record.Name())
	assert.FileExists(t, living)
	assert.FileExists(t, lock, "another bpflab may hold it")
}
