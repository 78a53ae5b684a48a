// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// archive is what the apt-get in testdata fetches from.
type archive struct {
	t    *testing.T
	dir  string
	says []string // what the store made by newStore said
}

// newArchive puts the fake tools on PATH and locks nothing.
func newArchive(t *testing.T) *archive {
	t.Helper()
	a := &archive{t: t, dir: t.TempDir()}
	tools, err := filepath.Abs("testdata")
	require.NoError(t, err)
	t.Setenv("PATH", tools+":"+os.Getenv("PATH"))
	t.Setenv("ARCHIVE", a.dir)

	oldLock, oldKeyring := locked, keyring
	t.Cleanup(func() { locked, keyring = oldLock, oldKeyring })
	locked = make(map[string]Pin)
	keyring = filepath.Join(a.dir, "keyring.gpg")
	a.put("keyring.gpg", "")
	a.put("mirrors", "U/debian bookworm\nU/security bookworm-security\n")
	for _, c := range catalogue {
		for _, suite := range c.Suites {
			a.put("lists/"+suite, "")
		}
	}
	return a
}

func (a *archive) newStore() *Store {
	return &Store{Dir: a.t.TempDir(), Progress: func(format string, args ...any) {
		a.says = append(a.says, fmt.Sprintf(format, args...))
	}}
}

func (a *archive) put(name, content string) {
	a.t.Helper()
	name = filepath.Join(a.dir, name)
	require.NoError(a.t, os.MkdirAll(filepath.Dir(name), 0o755))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	require.NoError(a.t, err)
	defer f.Close()
	_, err = f.WriteString(content)
	require.NoError(a.t, err)
}

// add publishes a package made of files (path, content, path, content, ...).
func (a *archive) add(suite, name, version, depends string, files ...string) Deb {
	a.t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		require.NoError(a.t, w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1]))}))
		_, err := w.Write([]byte(files[i+1]))
		require.NoError(a.t, err)
	}
	require.NoError(a.t, w.Close())
	sum := sha256.Sum256(buf.Bytes())
	d := Deb{Name: name, Version: version, SHA256: hex.EncodeToString(sum[:]), Size: int64(buf.Len())}
	a.put("debs/"+name+".deb", buf.String())
	a.put("lists/"+suite, fmt.Sprintf("Package: %s\nVersion: %s\nDepends: %s\nSize: %d\nSHA256: %s\n\n",
		d.Name, d.Version, depends, d.Size, d.SHA256))
	return d
}

// add510 publishes a 5.10 image, in one package.
func (a *archive) add510(abi int) Pin {
	a.t.Helper()
	release := fmt.Sprintf("5.10.0-%d-cloud-amd64", abi)
	d := a.add("bullseye-security", "linux-image-"+release, fmt.Sprintf("5.10.%d-1", abi), "kmod",
		"boot/vmlinuz-"+release, string(bzImage(release)),
		"boot/config-"+release, "CONFIG_BPF=y\n",
		"lib/modules/"+release+"/kernel/veth.ko", "veth")
	return Pin{Name: "5.10", Release: release, Version: d.Version, Debs: []Deb{d}}
}

// add73 publishes a 7.3 image, in three packages.
func (a *archive) add73() Pin { return a.addSplit("7.3") }

// addSplit publishes an image of a series from 6.19 on, in three packages.
func (a *archive) addSplit(series string) Pin {
	a.t.Helper()
	release, version := series+".4+deb13-cloud-amd64", series+".4-1~bpo13+1"
	modules := "usr/lib/modules/" + release
	depends := fmt.Sprintf("linux-binary-%s (= %s), linux-modules-%[1]s (= %[2]s)", release, version)
	return Pin{Name: series, Release: release, Version: version, Debs: []Deb{
		a.add("trixie-backports", "linux-image-"+release, version, depends, "usr/share/doc/x", "x"),
		a.add("trixie-backports", "linux-binary-"+release, version, "", modules+"/vmlinuz", string(bzImage(release)), modules+"/config", "CONFIG_BPF=y\n"),
		a.add("trixie-backports", "linux-modules-"+release, version, "", modules+"/kernel/veth.ko.xz", "veth"),
	}}
}

// calls counts the runs of apt-get.
func (a *archive) calls() int {
	b, err := os.ReadFile(filepath.Join(a.dir, "log"))
	if err != nil {
		return 0
	}
	return strings.Count(string(b), "\n")
}

// requireNoTemp says that nothing half-done is left in the store.
func requireNoTemp(t *testing.T, s *Store) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(s.root(), tempPrefix+"*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
