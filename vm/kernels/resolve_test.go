// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sample(t *testing.T) index {
	t.Helper()
	f, err := os.Open("testdata/Packages")
	require.NoError(t, err)
	defer f.Close()
	var ix index
	require.NoError(t, ix.read(f))
	return ix
}

func TestNewest(t *testing.T) {
	ix := sample(t)
	for _, tt := range []struct {
		name, release string
		packages      []string
		err           string
	}{
		// By version, not by name; neither unsigned nor debug nor generic.
		{name: "6.12", release: "6.12.90+deb13.1-cloud-amd64", packages: []string{"linux-image-6.12.90+deb13.1-cloud-amd64"}},
		// 7.3.11 lacks its modules; the parts of 7.3.4 are all there.
		{name: "7.3", release: "7.3.4+deb13-cloud-amd64", packages: []string{
			"linux-image-7.3.4+deb13-cloud-amd64",
			"linux-binary-7.3.4+deb13-cloud-amd64",
			"linux-modules-7.3.4+deb13-cloud-amd64",
		}},
		{name: "5.10", err: "bpflab kernels add"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, ok := lookup(tt.name)
			require.True(t, ok)
			pin, err := ix.newest(want, want.image)
			if tt.err != "" {
				assert.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			var packages []string
			for _, d := range pin.Debs {
				packages = append(packages, d.Name)
			}
			assert.Equal(t, tt.release, pin.Release)
			assert.Equal(t, tt.packages, packages)
			assert.NoError(t, ix.check(pin))
		})
	}
}

func TestCheck(t *testing.T) {
	ix := sample(t)
	d := Deb{Name: "linux-image-6.12.9+deb13-cloud-amd64", Version: "6.12.9-1", SHA256: strings.Repeat("1", 64)}
	assert.NoError(t, ix.check(Pin{Debs: []Deb{d}}))

	other := d
	other.SHA256 = strings.Repeat("0", 64)
	assert.ErrorIs(t, ix.check(Pin{Debs: []Deb{other}}), errSum)

	d.Version = "6.12.9-2"
	assert.ErrorIs(t, ix.check(Pin{Debs: []Deb{d}}), errGone)
}

func TestIndexRejectsBadSize(t *testing.T) {
	var ix index
	assert.ErrorContains(t, ix.read(strings.NewReader("Package: linux-x\nSize: many\n")), "linux-x")
}

func TestLockMatchesCatalogue(t *testing.T) {
	sum := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for name := range locked {
		assert.Contains(t, Names(), name, "it is locked, and not in the catalogue")
	}
	for _, c := range catalogue {
		pin, ok := locked[c.Name]
		if !assert.True(t, ok, "%s is not locked: see CONTRIBUTING.md, A kernel", c.Name) || !assert.NotEmpty(t, pin.Debs) {
			continue
		}
		assert.NotEmpty(t, c.Suites)
		assert.Regexp(t, c.image, pin.Debs[0].Name)
		assert.Equal(t, "linux-image-"+pin.Release, pin.Debs[0].Name)
		assert.Equal(t, pin.Debs[0].Version, pin.Version)
		assert.True(t, strings.HasPrefix(pin.Release, c.Name+"."), pin.Release)
		for _, d := range pin.Debs {
			assert.Regexp(t, sum, d.SHA256, d.Name)
			assert.Positive(t, d.Size, d.Name)
		}
	}
}

// A release is as old as its version says, whatever follows that.
func TestSince(t *testing.T) {
	assert.Equal(t, Names(), Since(""))
	assert.Equal(t, Names(), Since("5.10"))
	assert.Equal(t, Names()[1:], Since("5.11"))
	assert.Empty(t, Since("99.1"))
	for release, older := range map[string]bool{
		"6.1.0-13-amd64": true, "6.9": true, "5.15": true,
		"6.12": false, "6.12.117+deb13-cloud-amd64": false, "6.13-rc2-amd64": false, "10.0": false,
	} {
		assert.Equal(t, older, Older(release, "6.12"), release)
	}
}

func TestCompareVersions(t *testing.T) {
	// Each is newer than the one before it.
	ordered := []string{
		"5.10.9-1", "5.10.262-1", "6.1.176-1", "6.1.192-2~", "6.1.192-2", "6.1.192-2+b1",
		"6.12~rc1-1", "6.12-1", "6.12a-1", "6.12+x-1", "6.12.95-1~bpo12+1", "6.12.95-1", "6.12.095-2", "1:1-1",
	}
	for i, a := range ordered {
		for j, b := range ordered {
			got := compareVersions(a, b)
			assert.Equal(t, i < j, got < 0, "%s and %s: %d", a, b, got)
			assert.Equal(t, i == j, got == 0, "%s and %s: %d", a, b, got)
		}
	}
	assert.Zero(t, compareVersions("6.012-1", "6.12-1"))
}

func TestParseMirrors(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     mirrors
	}{
		{"debian", "U/debian bookworm\nU/debian bookworm-updates\nU/sec bookworm-security\n", mirrors{"U/debian", "U/sec"}},
		{"first wins, no discs", "cdrom:x trixie\nU/a trixie\nU/b sid\n", mirrors{main: "U/a"}},
		{"not debian", "U/u noble\nU/u noble-security\nU/node nodistro\n", mirrors{}},
		{"nothing", "", mirrors{}},
	} {
		assert.Equal(t, tt.want, parseMirrors(tt.in), tt.name)
	}
	_, err := mirrors{main: "U/a"}.of("bullseye-security")
	assert.ErrorContains(t, err, "security archive")
}
