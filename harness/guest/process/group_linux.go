// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// group is a control group: what a program and all that it starts may take together. Limits of
// single processes do not add up, and shared memory escapes them.
type group struct {
	path string
	dir  *os.File
}

// groups is where control groups are, with the memory of each counted.
var groups = sync.OnceValues(func() (string, error) {
	const root = "/sys/fs/cgroup"
	var fs unix.Statfs_t
	err := unix.Statfs(root, &fs)
	switch {
	case err != nil:
	case fs.Type == unix.SYSFS_MAGIC: // a guest has mounted none yet
		err = unix.Mount("cgroup2", root, "cgroup2", 0, "")
	case fs.Type != unix.CGROUP2_SUPER_MAGIC:
		err = fmt.Errorf("expected version 2 of them at %s", root)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory +pids"), 0)
	}
	if err != nil {
		return "", fmt.Errorf("limit memory by control groups: %w", err)
	}
	return root, nil
})

// newGroup makes a group. Requires root, and control groups of version 2 with memory.oom.group:
// at least Linux 4.19.
func newGroup() (_ *group, err error) {
	root, err := groups()
	if err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(root, "program-")
	if err != nil {
		return nil, fmt.Errorf("make a control group: %w", err)
	}
	g := &group{path: path}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("limit a control group: %w", err), g.close())
		}
	}()
	for _, limit := range []struct{ file, value string }{
		{"memory.max", strconv.Itoa(maxMemory)}, {"memory.oom.group", "1"}, {"pids.max", strconv.Itoa(maxThreads)},
	} {
		if err := os.WriteFile(filepath.Join(path, limit.file), []byte(limit.value), 0); err != nil {
			return nil, err
		}
	}
	if g.dir, err = os.Open(path); err != nil {
		return nil, err
	}
	return g, nil
}

// exhausted reports whether the group was ended for taking more memory than it may.
func (g *group) exhausted() bool {
	events, _ := os.ReadFile(filepath.Join(g.path, "memory.events"))
	for line := range strings.Lines(string(events)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			return n != "0"
		}
	}
	return false
}

// close removes the group, whose processes have ended.
func (g *group) close() error {
	if g.dir != nil {
		g.dir.Close()
	}
	for try := 0; ; try++ {
		err := os.Remove(g.path)
		if err == nil || errors.Is(err, os.ErrNotExist) || try == 100 {
			return err
		}
		time.Sleep(time.Millisecond) // the last of them is on its way out
	}
}
