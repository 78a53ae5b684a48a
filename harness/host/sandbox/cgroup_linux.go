// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// group is a control group (v2) of one command, or none: then only limits and
// the watch are left. Below systemd root can make one, and in a delegated
// folder anybody.
type group struct {
	dir    string // empty: there is none
	folder *os.File
}

// cgroups is where control groups are.
const cgroups = "/sys/fs/cgroup"

// maxTasks bounds the processes and threads of a group.
const maxTasks = 256

// groupParent finds the folder below which a group with limits on memory and
// tasks can be made, once. It is this process's own, which allows that only if
// it is empty, or else the one above.
var groupParent = sync.OnceValue(func() string {
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for _, parent := range []string{filepath.Join(cgroups, own), filepath.Join(cgroups, filepath.Dir(own))} {
			if parent == cgroups {
				continue
			}
			g := makeGroup(parent, Limits{Memory: 1 << 30})
			works := g.starts()
			g.close()
			if works {
				return parent
			}
		}
	}
	return ""
})

// newGroup makes a group, if that can be done.
func newGroup(l Limits) *group {
	parent := groupParent()
	if parent == "" || l.Memory == 0 {
		return &group{}
	}
	return makeGroup(parent, l)
}

func makeGroup(parent string, l Limits) *group {
	dir, err := os.MkdirTemp(parent, "bpflab-")
	if err != nil {
		return &group{}
	}
	set := func(file, value string) {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, file), []byte(value), 0))
	}
	set("memory.max", fmt.Sprint(l.Memory)) // fails where the parent does not limit memory
	set("pids.max", fmt.Sprint(maxTasks))
	set("memory.oom.group", "1")
	var folder *os.File
	if err == nil {
		_ = os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0) // there may be no swap
		folder, err = os.Open(dir)
	}
	if err != nil {
		_ = os.Remove(dir)
		return &group{}
	}
	return &group{dir: dir, folder: folder}
}

// starts reports whether a process can be started in the group: to be allowed to make a
// group is not to be allowed to enter it.
func (g *group) starts() bool {
	if g.dir == "" {
		return false
	}
	cmd := exec.Command("/proc/self/exe") // which finds no policy, and ends
	cmd.Args, cmd.Env = []string{name}, []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	g.place(cmd.SysProcAttr)
	if cmd.Start() != nil {
		return false
	}
	_ = cmd.Wait()
	return true
}

// place has a process start in the group.
func (g *group) place(attr *syscall.SysProcAttr) {
	if g.dir != "" {
		attr.UseCgroupFD, attr.CgroupFD = true, int(g.folder.Fd())
	}
}

// outOfMemory reports whether a process was ended because the group was at its limit. A machine that runs
// out of memory may end one of a group that is not.
func (g *group) outOfMemory() bool {
	if g.dir == "" {
		return false
	}
	raw, err := os.ReadFile(filepath.Join(g.dir, "memory.events"))
	met := func(event string) bool {
		return strings.Contains(string(raw), "\n"+event+" ") && !strings.Contains(string(raw), "\n"+event+" 0\n")
	}
	return err == nil && met("oom") && met("oom_kill")
}

// close ends what is left in the group and removes it.
func (g *group) close() {
	if g.dir == "" {
		return
	}
	g.folder.Close()
	_ = os.WriteFile(filepath.Join(g.dir, "cgroup.kill"), []byte("1"), 0) // Linux 5.14
	for range 100 {
		if err := os.Remove(g.dir); err == nil || !errors.Is(err, syscall.EBUSY) {
			return
		}
		_, _ = syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 1000})
	}
}
