// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const stanza = "Package: linux-image-6.12.9+deb13-cloud-amd64\nVersion: 6.12.9-1\nSize: 100\nSHA256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"

// A package without what a pin is made of becomes none, and is named.
func TestIncompleteStanza(t *testing.T) {
	want, ok := lookup("6.12")
	require.True(t, ok)
	newest := func(text string) (Pin, error) {
		var ix index
		require.NoError(t, ix.read(strings.NewReader(text)))
		return ix.newest(want, want.image)
	}
	pin, err := newest(stanza)
	require.NoError(t, err)
	assert.Equal(t, "6.12.9-1", pin.Version)

	for _, field := range []string{"Version", "Size", "SHA256"} {
		for _, instead := range []string{"", field + ": \n", field + ": -1\n", field + ": 99999999999999\n"} {
			var lines []string
			for line := range strings.Lines(stanza) {
				if strings.HasPrefix(line, field+":") {
					line = instead
				}
				lines = append(lines, line)
			}
			var ix index
			if err := ix.read(strings.NewReader(strings.Join(lines, ""))); err != nil {
				assert.ErrorContains(t, err, "linux-image-6.12.9+deb13-cloud-amd64")
				continue
			}
			pin, err := ix.newest(want, want.image)
			if field == "Version" && strings.Contains(instead, "9") {
				require.NoError(t, err, "a version like any other")
				continue
			}
			require.ErrorIs(t, err, errEntry, "%s: %+v", field, pin)
			assert.ErrorContains(t, err, "linux-image-6.12.9+deb13-cloud-amd64")
			assert.ErrorContains(t, err, "expected a "+field)
			assert.Empty(t, pin)
		}
	}
	for _, bad := range []string{"../../etc/passwd", "1 -oDir::Etc=x", "1\x1b[2J"} {
		_, err := newest(strings.Replace(stanza, "6.12.9-1", bad, 1))
		assert.ErrorIs(t, err, errEntry, bad)
	}
}

// A package is described by its own fields, and only the kernel's packages are kept.
func TestIndexRead(t *testing.T) {
	want, ok := lookup("6.12")
	require.True(t, ok)
	newer := strings.Replace(stanza, "6.12.9", "6.12.10", 2)
	for name, text := range map[string]string{
		"the newer one":               stanza + "\n" + newer,
		"other packages":              "Package: librust-linux-dev\nSize: 1\n\n" + stanza + "\n" + newer + "\nPackage: zsh\n",
		"a field of a million bytes":  "Package: librust-dev\nProvides: " + strings.Repeat("x", 1<<20) + "\n\n" + stanza + "\n" + newer,
		"nothing that ends the index": stanza + "\n" + strings.TrimSuffix(newer, "\n"),
	} {
		var ix index
		require.NoError(t, ix.read(strings.NewReader(text)), name)
		assert.Len(t, ix, 2, name)
		pin, err := ix.newest(want, want.image)
		require.NoError(t, err, name)
		assert.Equal(t, "6.12.10-1", pin.Version, name)
	}

	// The newer one has no sum, and the older one's is not its own.
	var ix index
	require.NoError(t, ix.read(strings.NewReader(stanza+"\n"+newer[:strings.Index(newer, "SHA256")])))
	_, err := ix.newest(want, want.image)
	assert.ErrorIs(t, err, errEntry)

	// An index that breaks off is not one without the packages that follow.
	broken := errors.New("connection reset")
	err = new(index).read(io.MultiReader(strings.NewReader(stanza), iotest.ErrReader(broken)))
	assert.ErrorIs(t, err, broken)
}

// A sum is as long as a SHA-256, and a package no larger than is bearable.
func TestEntryValid(t *testing.T) {
	good := entry{Deb: Deb{Name: "linux-image", Version: "6.12.9-1", SHA256: strings.Repeat("ab", 32), Size: 1}}
	for _, tt := range []struct {
		change func(*entry)
		ok     bool
	}{
		{func(*entry) {}, true},
		{func(e *entry) { e.SHA256 += "0" }, false},
		{func(e *entry) { e.SHA256 = e.SHA256[1:] }, false},
		{func(e *entry) { e.Size = 0 }, false},
		{func(e *entry) { e.Size = maxDeb }, true},
		{func(e *entry) { e.Size = maxDeb + 1 }, false},
		{func(e *entry) { e.Version = "1" + strings.Repeat("2", 127) }, true},
		{func(e *entry) { e.Version = "1" + strings.Repeat("2", 128) }, false},
		{func(e *entry) { e.Version = "v1" }, false},
	} {
		e := good
		tt.change(&e)
		if tt.ok {
			assert.NoError(t, e.valid())
		} else {
			assert.ErrorIs(t, e.valid(), errEntry, "%+v", e)
		}
	}
}

// What a package unpacks to is looked at where it lies.
func TestUnpackedLinks(t *testing.T) {
	for name, make := range map[string]func(dir string) error{
		"good": func(string) error { return nil },
		"file is a link": func(dir string) error {
			return os.Rename(filepath.Join(dir, "boot/vmlinuz"), filepath.Join(dir, "v")) // and linked below
		},
	} {
		dir := t.TempDir()
		for _, d := range []string{"boot", "lib/modules"} {
			require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
		}
		file, folder := filepath.Join(dir, "boot/vmlinuz"), filepath.Join(dir, "lib/modules")
		require.NoError(t, os.WriteFile(file, []byte("x"), 0o644))
		require.NoError(t, make(dir))
		if name == "good" {
			require.NoError(t, inside(dir, folder, file))
			assert.Error(t, inside(dir, folder, folder), "a folder for a file")
			assert.Error(t, inside(dir, file, file), "a file for a folder")
			continue
		}
		require.NoError(t, os.Symlink("../v", file))
		assert.ErrorContains(t, inside(dir, folder, file), "found a link to")
	}
	dir, elsewhere := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "vmlinuz"), nil, 0o644))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, "boot")))
	assert.ErrorContains(t, inside(dir, dir, filepath.Join(dir, "boot/vmlinuz")), "found a link to")
}

// Of whatever an index holds, only what can be pinned is.
func FuzzIndex(f *testing.F) {
	f.Add(stanza)
	f.Add(stanza + "Depends: linux-modules-6.12.9+deb13-cloud-amd64 (= 1)\n\nPackage: linux-modules-6.12.9+deb13-cloud-amd64\nVersion: 1\n")
	f.Add("Package: linux-image-6.12.9+deb13-cloud-amd64\nSize: x\n")
	f.Add("U/debian bookworm\ncdrom:x bookworm-security")
	f.Fuzz(func(t *testing.T, text string) {
		parseMirrors(text)
		var ix index
		if ix.read(strings.NewReader(text)) != nil {
			return
		}
		for _, want := range catalogue {
			pin, err := ix.newest(want, want.image)
			if err != nil {
				continue
			}
			for _, d := range pin.Debs {
				if (entry{Deb: d}).valid() != nil || strings.ContainsAny(d.Name, "/ \t\x00") {
					t.Errorf("%+v became a pin", d)
				}
			}
			if err := ix.check(pin); err != nil {
				t.Errorf("%+v: %v", pin, err)
			}
		}
	})
}

// A record that somebody else has written is refused or describes a kernel below its folder.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"name":"6.12","release":"6.12.9","vmlinuz_sha256":"","vmlinuz_size":-1,"modules":1,"substituted_for":"x"}`))
	f.Add([]byte(`{"name":"../..","release":"..."}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, recordFile), data, 0o644))
		r, err := readRecord(dir)
		if err != nil {
			return
		}
		if r.check(dir) == nil {
			t.Error("sound without a kernel")
		}
		k := r.kernel(dir)
		if filepath.Dir(k.Vmlinuz) != dir {
			t.Errorf("%+v", k)
		}
		var pins []Pin
		_ = json.Unmarshal(data, &pins)
	})
}
