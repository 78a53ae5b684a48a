// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// keyring holds the keys that sign the archive; a variable for the tests.
var keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// The host's settings stay (proxies, credentials), except for what would act
// outside the private state or weaken the signature check.
const aptConf = `
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Get::AllowUnauthenticated "false";
APT::Sandbox::User "root"; // the private state belongs to us, not to _apt
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::GzipIndexes "false"; // index.read wants plain text
Acquire::Languages "none";
Acquire::Retries "3";
`

// apt is the host's apt-get with a state of its own.
type apt struct {
	dir  string
	args []string
	say  func(format string, args ...any)

	unread map[string]error // suites without a list, and why
}

// newApt makes the private state below the store, whose lock must be held.
func (s *Store) newApt() (*apt, error) {
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, noApt(tool)
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return nil, fmt.Errorf("expected the keys of the Debian archive in %s, found: %w: "+
			"install the package debian-archive-keyring", keyring, err)
	}
	dir, err := s.temp()
	if err != nil {
		return nil, err
	}

	a := &apt{dir: dir, say: s.say, args: []string{"-q", "-c", filepath.Join(dir, "apt.conf")}}
	for option, name := range map[string]string{
		"Dir::State":                 "state",
		"Dir::State::Lists":          "lists",
		"Dir::State::status":         "status",
		"Dir::Cache":                 "cache",
		"Dir::Etc::SourceList":       "sources.list",
		"Dir::Etc::SourceParts":      "empty",
		"Dir::Etc::Preferences":      "none",
		"Dir::Etc::PreferencesParts": "empty",
	} {
		a.args = append(a.args, "-o"+option+"="+filepath.Join(dir, name))
	}
	for _, d := range []string{"state", "lists/partial", "cache/archives/partial", "empty", "debs"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	err = errors.Join(err,
		os.WriteFile(filepath.Join(dir, "status"), nil, 0o644),
		os.WriteFile(filepath.Join(dir, "apt.conf"), []byte(aptConf), 0o644))
	if err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *apt) close() { os.RemoveAll(a.dir) }

func (a *apt) get(ctx context.Context, dir string, args ...string) ([]byte, error) {
	return run(ctx, dir, "apt-get", append(slices.Clone(a.args), args...)...)
}
