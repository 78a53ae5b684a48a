// SPDX-License-Identifier: Apache-2.0

package record

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func record(t *testing.T) Record {
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", dir)
	r := Of("lab1")
	require.Equal(t, filepath.Join(dir, "bpflab", "lab1"), r.dir)
	return r
}

func TestGrades(t *testing.T) {
	r := record(t)
	list, err := r.Grades("/a")
	require.NoError(t, err)
	assert.Empty(t, list, "none before the first")
	assert.NoDirExists(t, r.dir)

	first := Grade{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Folder: "/a", Content: "c1", Kernels: []string{"6.12"},
		Score: 30, MaxScore: 100, Complete: true, Left: []int{3, 4},
	}
	second := first
	second.Score, second.Left = 85.4, []int{4}
	other := first
	other.Folder = "/b"
	require.NoError(t, r.Add(first, []byte("1"), nil))
	require.NoError(t, r.Add(other, []byte("2"), nil))
	// What a full disk left.
	f, err := os.OpenFile(r.grades(), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"folder":"/a","sco`)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, r.Add(second, []byte("3"), nil))

	list, err = r.Grades("/a")
	require.NoError(t, err)
	assert.Equal(t, []Grade{first, second}, list)
	text, err := os.ReadFile(r.Receipt())
	require.NoError(t, err)
	assert.Equal(t, "3", string(text), "the last receipt")
}

func TestPassing(t *testing.T) {
	r := record(t)
	add := func(content, text string, passed bool) {
		g := Grade{Folder: "/a", Content: content, Passed: passed}
		require.NoError(t, r.Add(g, nil, []File{{"/some/where/a.bpf.c", []byte(text)}, {"b.go", []byte("go")}}))
	}
	passing := func(folder string) string {
		dir, err := r.Passing(folder)
		require.NoError(t, err)
		return dir
	}
	add("c1", "one", false)
	assert.Empty(t, passing("/a"), "none passed")
	add("c2", "two", true)
	add("c3", "three", false)
	text, err := os.ReadFile(filepath.Join(passing("/a"), "a.bpf.c"))
	require.NoError(t, err)
	assert.Equal(t, "two", string(text))
	assert.FileExists(t, filepath.Join(passing("/a"), "b.go"))
	assert.Empty(t, passing("/b"))
	assert.NoDirExists(t, r.passing("c3"), "only what passed is kept")
	add("c4", "four", true)
	require.NoError(t, os.RemoveAll(r.passing("c4")))
	assert.Equal(t, r.passing("c2"), passing("/a"), "the last that is still there")
	// A line that somebody wrote leads nowhere else.
	require.NoError(t, r.append([]byte(`{"folder":"/a","content":"../..","passed":true}`)))
	assert.Equal(t, r.passing("c2"), passing("/a"))
}

// What was replaced is never written over.
func TestKeep(t *testing.T) {
	r := record(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, want := range []string{"2026-01-02T030405", "2026-01-02T030405-2", "2026-01-02T030405-3"} {
		dir, err := r.Keep(now, []File{{"a.bpf.c", []byte{byte('0' + i)}}})
		require.NoError(t, err)
		assert.Equal(t, want, filepath.Base(dir))
		text, err := os.ReadFile(filepath.Join(dir, "a.bpf.c"))
		require.NoError(t, err)
		assert.Equal(t, string([]byte{byte('0' + i)}), string(text))
	}
}

func TestErrors(t *testing.T) {
	r := record(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(r.dir), 0o755))
	require.NoError(t, os.WriteFile(r.dir, nil, 0o644)) // in the way
	assert.ErrorContains(t, r.Add(Grade{}, nil, nil), "keep a record of grades")
	_, err := r.Keep(time.Now(), nil)
	assert.Error(t, err)
	require.NoError(t, os.Remove(r.dir))
	require.NoError(t, os.MkdirAll(r.grades(), 0o755))
	_, err = r.Grades("/a")
	assert.ErrorContains(t, err, "read the record of grades")
	_, err = r.Passing("/a")
	assert.ErrorContains(t, err, "read the record of grades")
	assert.ErrorContains(t, r.Add(Grade{}, nil, nil), "keep a record of grades")
}

// Grades that end at once all get their line.
func TestAddAtOnce(t *testing.T) {
	r := record(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				assert.NoError(t, r.Add(Grade{Folder: "/a", Passed: true, Content: "c"}, []byte("r"), []File{{"f", []byte("text")}}))
			}
		})
	}
	group.Wait()
	list, err := r.Grades("/a")
	require.NoError(t, err)
	assert.Len(t, list, 160)
	entries, err := os.ReadDir(r.dir)
	require.NoError(t, err)
	assert.Len(t, entries, 3, "nothing temporary is left")
}
