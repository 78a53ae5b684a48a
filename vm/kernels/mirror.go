// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// debian are the names under which a host may know Debian's releases. Other
// distributions have other names, and their archives do not hold these kernels.
var debian = []string{
	"bullseye", "bookworm", "trixie", "forky", "duke", "sid",
	"oldoldstable", "oldstable", "stable", "testing", "unstable",
}

// mirrors are the archives that the host's own apt uses.
type mirrors struct {
	main, security string // URIs; empty if the host has none
}

func hostMirrors(ctx context.Context) (mirrors, error) {
	// Without --no-release-info nothing is listed before the host's first
	// "apt-get update".
	out, err := run(ctx, "", "apt-get", "indextargets", "--no-release-info",
		"--format", "$(REPO_URI) $(RELEASE)")
	if err != nil {
		return mirrors{}, fmt.Errorf("mirrors of this host: %w", err)
	}
	m := parseMirrors(string(out))
	if m == (mirrors{}) {
		return m, errors.New("expected this host's apt to use a Debian archive, found none in its sources: " +
			"add a kernel built elsewhere with bpflab kernels add NAME --vmlinuz FILE")
	}
	return m, nil
}

// parseMirrors reads lines of "URI release" and takes the first of each kind.
func parseMirrors(lines string) (m mirrors) {
	for line := range strings.Lines(lines) {
		uri, release, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(uri, "cdrom:") {
			continue
		}
		base, security := strings.CutSuffix(release, "-security")
		switch {
		case !slices.Contains(debian, base):
		case security && m.security == "":
			m.security = uri
		case !security && m.main == "":
			m.main = uri
		}
	}
	return m
}

func (m mirrors) of(suite string) (string, error) {
	uri, kind := m.main, "main archive"
	if strings.HasSuffix(suite, "-security") {
		uri, kind = m.security, "security archive"
	}
	if uri == "" {
		return "", fmt.Errorf("suite %s: expected Debian's %s in the sources of this host's apt, found none: "+
			"add one to /etc/apt/sources.list.d", suite, kind)
	}
	return uri, nil
}
