// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Host returns the kernel that runs this process, if its vmlinuz is installed
// and readable.
func Host() (Kernel, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Kernel{}, fmt.Errorf("uname: %w", err)
	}
	return hostKernel("/", unix.ByteSliceToString(u.Release[:]))
}

// hostKernel looks for an installed kernel below root.
func hostKernel(root, release string) (Kernel, error) {
	modules := filepath.Join(root, "lib/modules", release)
	places := []string{
		filepath.Join(root, "boot/vmlinuz-"+release),
		filepath.Join(modules, "vmlinuz"),
	}
	for _, vmlinuz := range places {
		if _, err := os.Stat(vmlinuz); err != nil {
			continue
		}
		if _, err := checkBzImage(vmlinuz); err != nil {
			if os.IsPermission(err) {
				err = fmt.Errorf("%w: allow it with sudo chmod a+r %s", err, vmlinuz)
			}
			return Kernel{}, fmt.Errorf("the running kernel: %w", err)
		}
		sum, _, err := sumFile(vmlinuz)
		if err != nil {
			return Kernel{}, err
		}
		k := Kernel{Name: hostName, Release: release, Vmlinuz: vmlinuz, SHA256: sum}
		if config := filepath.Join(root, "boot/config-"+release); readable(config) {
			k.Config = config
		}
		if countModules(modules) > 0 {
			k.Modules = modules
		}
		return k, nil
	}
	return Kernel{}, fmt.Errorf("the running kernel %s: expected its vmlinuz at %s, found no file: "+
		"choose a kernel of the matrix (%s)", release, strings.Join(places, " or "), strings.Join(Names(), ", "))
}

func readable(file string) bool {
	f, err := os.Open(file)
	if err == nil {
		f.Close()
	}
	return err == nil
}
