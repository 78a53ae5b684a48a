// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFetch(t *testing.T) {
	a := newArchive(t)
	s := a.newStore()
	locked["5.10"], locked["7.3"] = a.add510(40), a.add73()
	_, err := s.Get("7.3")
	require.ErrorIs(t, err, ErrNotFetched)

	require.NoError(t, s.Fetch(t.Context(), "5.10", "7.3"))
	assert.Equal(t, 3, a.calls(), "one each of indextargets, update, download")
	requireNoTemp(t, s)
	for name, file := range map[string]string{"5.10": "kernel/veth.ko", "7.3": "kernel/veth.ko.xz"} {
		k, err := s.Get(name)
		require.NoError(t, err)
		assert.Equal(t, locked[name].Release, k.Release)
		assert.Equal(t, locked[name].Version, k.Version)
		assert.Empty(t, k.SubstitutedFor)
		assert.FileExists(t, filepath.Join(k.Modules, file))
		assert.True(t, filepath.IsAbs(k.Vmlinuz), k.Vmlinuz)
		config, err := os.ReadFile(k.Config)
		require.NoError(t, err)
		assert.Equal(t, "CONFIG_BPF=y\n", string(config))
	}

	// What is there needs neither archive nor apt.
	t.Setenv("PATH", "/nonexistent")
	require.NoError(t, s.Fetch(t.Context(), "5.10", "7.3"))
	assert.Equal(t, 3, a.calls())
	assert.ErrorContains(t, s.Fetch(t.Context(), "6.1"), "bpflab kernels add")
	assert.ErrorIs(t, s.Fetch(t.Context(), "6.6"), ErrUnknown)
}

func TestFetchReplacesDamaged(t *testing.T) {
	a := newArchive(t)
	s := a.newStore()
	locked["5.10"] = a.add510(40)
	require.NoError(t, s.Fetch(t.Context(), "5.10"))
	k, err := s.Get("5.10")
	require.NoError(t, err)

	require.NoError(t, os.Truncate(k.Vmlinuz, 1000))
	_, err = s.Get("5.10")
	require.ErrorIs(t, err, ErrDamaged)
	assert.ErrorContains(t, err, "expected 1088 bytes, found 1000: bpflab kernels fetch 5.10 fixes it")
	require.NoError(t, s.Fetch(t.Context(), "5.10"))
	_, err = s.Get("5.10")
	assert.NoError(t, err)
}

// A new bpflab with a new lock does not run on the old kernel.
func TestFetchReplacesOtherVersion(t *testing.T) {
	a := newArchive(t)
	s := a.newStore()
	locked["5.10"] = a.add510(40)
	require.NoError(t, s.Fetch(t.Context(), "5.10"))
	locked["5.10"] = a.add510(41)
	_, err := s.Get("5.10")
	require.ErrorIs(t, err, ErrNotFetched)
	require.NoError(t, s.Fetch(t.Context(), "5.10"))
	k, err := s.Get("5.10")
	require.NoError(t, err)
	assert.Equal(t, "5.10.41-1", k.Version)
}

func TestFetchSubstitutesWhatIsGone(t *testing.T) {
	a := newArchive(t)
	s := a.newStore()
	a.add510(41)
	a.add510(42)
	locked["5.10"] = Pin{Name: "5.10", Version: "5.10.40-1", Debs: []Deb{{Name: "linux-image-5.10.0-40-cloud-amd64", Version: "5.10.40-1"}}}
	require.NoError(t, s.Fetch(t.Context(), "5.10"))
	k, err := s.Get("5.10")
	require.NoError(t, err)
	assert.Equal(t, "5.10.42-1", k.Version)
	assert.Equal(t, "5.10.40-1", k.SubstitutedFor)
	assert.Contains(t, strings.Join(a.says, "\n"), "gone from the archive: taking 5.10.42-1 instead")
}

// The newest kernel's series leaves the archive when the next one comes.
func TestFetchTakesNewerSeries(t *testing.T) {
	a := newArchive(t)
	s := a.newStore()
	a.addSplit("7.4")
	locked["7.3"] = Pin{Name: "7.3", Version: "7.3.4-1~bpo13+1", Debs: []Deb{{Name: "linux-image-7.3.4+deb13-cloud-amd64", Version: "7.3.4-1~bpo13+1"}}}
	require.NoError(t, s.Fetch(t.Context(), "7.3"))
	k, err := s.Get("7.3")
	require.NoError(t, err)
	assert.Equal(t, "7.4", k.Name, "a report must not call it 7.3")
	assert.Equal(t, "7.4.4+deb13-cloud-amd64", k.Release)
	assert.Contains(t, strings.Join(a.says, "\n"), "gone from the archive: taking 7.4.4-1~bpo13+1 instead")

	// Others have no such stand-in.
	locked["6.18"] = Pin{Name: "6.18", Version: "6.18.1-1", Debs: []Deb{{Name: "linux-image-6.18.1+deb13-cloud-amd64", Version: "6.18.1-1"}}}
	require.ErrorContains(t, s.Fetch(t.Context(), "6.18"), "use a newer bpflab")
}

func TestFetchRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(a *archive)
		want  []string
	}{
		{"other sum in the index", func(a *archive) { locked["5.10"].Debs[0].SHA256 = strings.Repeat("0", 64) },
			[]string{"checksum mismatch", "in the archive's index"}},
		{"other bytes", func(a *archive) { a.put("debs/linux-image-5.10.0-40-cloud-amd64.deb", "x") },
			[]string{"checksum mismatch", "in what was downloaded"}},
		{"cut download", func(a *archive) { a.put("cut", "") },
			[]string{"download kernel packages", "connection reset"}},
		// Not to be taken for a pin that is gone.
		{"mirror down", func(a *archive) {
			os.RemoveAll(filepath.Join(a.dir, "lists"))
			a.put("down", "")
		}, []string{"package list of bullseye-security", "could not resolve the mirror"}},
		{"no security mirror", func(a *archive) {
			os.Remove(filepath.Join(a.dir, "mirrors"))
			a.put("mirrors", "U/debian bookworm\n")
		}, []string{"bullseye-security", "/etc/apt/sources.list.d"}},
		{"not debian", func(a *archive) {
			os.Remove(filepath.Join(a.dir, "mirrors"))
			a.put("mirrors", "U/ubuntu noble\n")
		}, []string{"expected this host's apt to use a Debian archive"}},
		{"no keyring", func(a *archive) { os.Remove(keyring) }, []string{"install the package debian-archive-keyring"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newArchive(t)
			s := a.newStore()
			locked["5.10"] = a.add510(40)
			tt.spoil(a)
			err := s.Fetch(t.Context(), "5.10")
			for _, want := range tt.want {
				assert.ErrorContains(t, err, want)
			}
			requireNoTemp(t, s)
			_, err = s.Get("5.10")
			assert.ErrorIs(t, err, ErrNotFetched)
		})
	}
}

func TestFetchGetsTheOthers(t *testing.T) {
	a := newArchive(t)
	s := a.newStore()
	locked["5.10"], locked["7.3"] = a.add510(40), a.add73()
	locked["5.10"].Debs[0].SHA256 = strings.Repeat("0", 64)
	assert.ErrorIs(t, s.Fetch(t.Context(), "5.10", "7.3"), errSum)
	_, err := s.Get("7.3")
	assert.NoError(t, err)
}

func TestFetchTwiceAtOnce(t *testing.T) {
	a := newArchive(t)
	s := &Store{Dir: t.TempDir()}
	locked["5.10"] = a.add510(40)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { assert.NoError(t, s.Fetch(context.Background(), "5.10")) })
	}
	wg.Wait()
	assert.Equal(t, 3, a.calls(), "the first fetches, the others find it")
}

func TestFetchCancelled(t *testing.T) {
	a := newArchive(t)
	s := a.newStore()
	locked["5.10"] = a.add510(40)
	a.put("hang", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(a.dir, "hanging")); err == nil {
				cancel()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	start := time.Now()
	assert.ErrorIs(t, s.Fetch(ctx, "5.10"), context.Canceled)
	assert.Less(t, time.Since(start), time.Minute)
	requireNoTemp(t, s)
}

func TestResolve(t *testing.T) {
	a := newArchive(t)
	s := a.newStore()
	_, err := s.Resolve(t.Context())
	assert.ErrorContains(t, err, "kernel 5.10: expected a package")
	a.add510(40)
	all := catalogue
	t.Cleanup(func() { catalogue = all })
	catalogue = []series{all[0], all[len(all)-1]}
	want := []Pin{a.add510(41), a.add73()}
	got, err := s.Resolve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, got)
	requireNoTemp(t, s)
}
