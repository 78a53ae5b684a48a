// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// hostName is the kernel that runs this process.
const hostName = "host"

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

// Add copies a kernel that was built elsewhere into the store, replacing an
// added one of the same name. The vmlinuz must be an x86-64 bzImage; modules,
// if not empty, is its lib/modules/<release>.
func (s *Store) Add(ctx context.Context, name, vmlinuz, modules string) (Kernel, error) {
	if !validName.MatchString(name) {
		return Kernel{}, fmt.Errorf("kernel name: expected lower-case letters, digits, \".\", \"_\" and \"-\", found %q: choose such a name", name)
	}
	if _, ok := lookup(name); ok || name == hostName {
		return Kernel{}, fmt.Errorf("kernel name: %q belongs to bpflab: choose another", name)
	}
	release, err := checkBzImage(vmlinuz)
	if err != nil {
		return Kernel{}, err
	}
	if modules != "" && countModules(modules) == 0 {
		return Kernel{}, fmt.Errorf("modules of kernel %s: expected .ko files below %s, found none: "+
			"name the lib/modules/%s that \"make modules_install\" made", name, modules, release)
	}

	unlock, err := s.lock(ctx)
	if err != nil {
		return Kernel{}, err
	}
	defer unlock()
	tmp, err := s.temp()
	if err != nil {
		return Kernel{}, err
	}
	defer os.RemoveAll(tmp)
	final := filepath.Join(tmp, "final")
	if err := os.Mkdir(final, 0o755); err != nil {
		return Kernel{}, err
	}
	if err := copyFile(filepath.Join(final, vmlinuzFile), vmlinuz); err != nil {
		return Kernel{}, err
	}
	if modules != "" {
		if err := copyTree(ctx, filepath.Join(final, modulesDir), modules); err != nil {
			return Kernel{}, err
		}
	}
	if err := s.commit(record{Name: name, Release: release}, tmp, final); err != nil {
		return Kernel{}, err
	}
	return s.Get(name)
}
