// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"sync"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// protections are what confines a command.
type protections struct {
	off      bool
	landlock int // ABI version, 0: none
	seccomp  bool
	cgroup   bool
}

// probe asks the kernel, once.
var probe = sync.OnceValue(func() (p protections) {
	if v, err := syscall.LandlockGetABIVersion(); err == nil && v > 0 {
		p.landlock = min(v, newestABI)
	}
	p.seccomp = seccomp.Supported()
	p.cgroup = groupParent() != ""
	return p
})

// Protections returns what a command is confined by. In the mode Require it
// returns ErrCannot, wrapped, where that is not all.
func Protections(m Mode) (protections, error) {
	p := probe()
	if m == Off {
		return protections{off: true, cgroup: p.cgroup}, nil
	}
	if why := Missing(); m == Require && why != "" {
		return p, fmt.Errorf("%w: %s; --sandbox=auto does without", ErrCannot, why)
	}
	return p, nil
}

func (p protections) list() (list []string) {
	if p.off {
		list = append(list, "off")
	}
	if p.landlock > 0 {
		list = append(list, fmt.Sprintf("landlock abi %d", p.landlock))
	}
	if p.seccomp {
		list = append(list, "seccomp")
	}
	list = append(list, "rlimits")
	if p.cgroup {
		return append(list, "cgroup")
	}
	return append(list, "memory watch")
}
