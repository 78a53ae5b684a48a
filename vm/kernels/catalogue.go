// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
)

//go:embed catalogue.json
var catalogueJSON []byte

//go:embed lock.json
var lockJSON []byte

// series is one kernel of the matrix: what to look for, and where.
type series struct {
	Name   string   `json:"name"`
	Suites []string `json:"suites"`
	Image  string   `json:"image"` // regular expression of the image package's whole name
	// The same for what may stand in when the whole series has left the archive: only for
	// the matrix's newest kernel, whose series lives there for a few weeks.
	Newer string `json:"newer,omitempty"`

	image, newer *regexp.Regexp
}

// Deb is one package file.
type Deb struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"` // bytes
}

// Pin says which packages make up a kernel of the matrix.
type Pin struct {
	Name    string `json:"name"`    // as in the matrix, e.g. "6.12"
	Release string `json:"release"` // uname -r
	Version string `json:"version"` // of the image package
	Debs    []Deb  `json:"debs"`    // the image package first
}

var (
	catalogue = mustCatalogue(catalogueJSON)
	locked    = mustLock(lockJSON)
)

// Names returns the kernels of the matrix, oldest first.
func Names() []string {
	names := make([]string, 0, len(catalogue))
	for _, s := range catalogue {
		names = append(names, s.Name)
	}
	return names
}

// Since returns the kernels of the matrix from a version on, oldest first; all for an empty version.
func Since(version string) []string {
	return slices.DeleteFunc(Names(), func(name string) bool { return Older(name, version) })
}

// Older reports whether a kernel's release, e.g. "6.1.0-13-amd64", or its name in the matrix is before a
// version, e.g. "6.12".
func Older(release, version string) bool { return compareVersions(release, version) < 0 }

func lookup(name string) (series, bool) {
	i := slices.IndexFunc(catalogue, func(s series) bool { return s.Name == name })
	if i < 0 {
		return series{}, false
	}
	return catalogue[i], true
}

// The two files are part of the binary: that they are wrong is a bug that the
// first test finds.
func mustCatalogue(b []byte) []series {
	var all []series
	if err := json.Unmarshal(b, &all); err != nil {
		panic(fmt.Sprintf("catalogue.json: %v", err))
	}
	for i := range all {
		all[i].image = regexp.MustCompile("^(?:" + all[i].Image + ")$")
		if all[i].Newer != "" {
			all[i].newer = regexp.MustCompile("^(?:" + all[i].Newer + ")$")
		}
	}
	return all
}

func mustLock(b []byte) map[string]Pin {
	var pins []Pin
	if err := json.Unmarshal(b, &pins); err != nil {
		panic(fmt.Sprintf("lock.json: %v", err))
	}
	byName := make(map[string]Pin, len(pins))
	for _, p := range pins {
		byName[p.Name] = p
	}
	return byName
}
