// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// name is what a process is called that is to confine itself.
const name = "bpflab-sandbox"

// What it is handed, beside its output.
const (
	policyFD = 3 // policy, as JSON
	reportFD = 4 // where it says what went wrong; closed as it becomes the compiler
)

// policy is what it is to do.
type policy struct {
	Path      string
	Args, Env []string

	Read, Write []string
	Alone       bool
	Limits      Limits
	Landlock    bool
	Seccomp     bool
}

func init() {
	if len(os.Args) != 1 || os.Args[0] != name {
		return
	}
	err := become()
	_, _ = fmt.Fprint(os.NewFile(reportFD, "report"), err)
	os.Exit(126)
}

// become confines this process and makes it the compiler. It returns only to say why it could not.
func become() error {
	// Landlock and seccomp bind a thread; that of an exec is the one that goes on.
	runtime.LockOSThread()
	for _, fd := range []int{policyFD, reportFD} {
		syscall.CloseOnExec(fd)
	}
	raw, err := io.ReadAll(os.NewFile(policyFD, "policy"))
	if err != nil {
		return fmt.Errorf("read the policy: %w", err)
	}
	var p policy
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("read the policy: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if p.Landlock {
		if err := p.confineFiles(); err != nil {
			return err
		}
	}
	if p.Seccomp {
		if err := filterCalls(p.Alone); err != nil {
			return fmt.Errorf("filter system calls: %w", err)
		}
	}
	if err := p.Limits.apply(); err != nil {
		return err
	}
	return fmt.Errorf("run %s: %w", p.Path, syscall.Exec(p.Path, p.Args, p.Env))
}

// newestABI is the newest version of Landlock that is asked for.
const newestABI = 7

// What a compiler may do with what it reads, and in the folder that it writes.
const (
	readRights = landlock.AccessFSSet(ll.AccessFSExecute | ll.AccessFSReadFile | ll.AccessFSReadDir)
	fileRights = landlock.AccessFSSet(ll.AccessFSExecute | ll.AccessFSReadFile)
	nullRights = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSTruncate)
	workRights = landlock.AccessFSSet(ll.AccessFSReadFile | ll.AccessFSReadDir | ll.AccessFSWriteFile | ll.AccessFSTruncate |
		ll.AccessFSRemoveFile | ll.AccessFSRemoveDir | ll.AccessFSMakeReg | ll.AccessFSMakeDir)
)

// confineFiles leaves this thread the policy's files, and of older kernels'
// Landlock as much as there is. From ABI 4 on it can reach no TCP port, from 6
// on no process outside by signal or abstract socket.
func (p policy) confineFiles() error {
	rules := []landlock.Rule{
		landlock.PathAccess(nullRights, "/dev/null").IgnoreIfMissing(),
		landlock.PathAccess(workRights, p.Write...),
	}
	for _, path := range p.Read {
		info, err := os.Stat(path)
		switch {
		case err != nil: // what is not there needs no permission
		case info.IsDir():
			rules = append(rules, landlock.PathAccess(readRights, path))
		case info.Mode().IsRegular():
			rules = append(rules, landlock.PathAccess(fileRights, path))
		}
	}
	ruleset, flags, err := landlock.V7.BestEffort().NewRulesetFD(rules...)
	if err != nil {
		return fmt.Errorf("make Landlock rules: %w", err)
	}
	if err := ll.LandlockRestrictSelf(ruleset, flags); err != nil {
		return fmt.Errorf("put itself under Landlock: %w", err)
	}
	return syscall.Close(ruleset)
}

// apply sets limits of this process, but those on memory: until it is the
// compiler, it is a Go program, and larger than the compiler may get.
func (l Limits) apply() error {
	type limit struct {
		resource int
		value    int64
		what     string
	}
	seconds := int64((l.CPU + time.Second - 1) / time.Second)
	for _, x := range []limit{
		{unix.RLIMIT_FSIZE, l.File, "file size"},
		{unix.RLIMIT_CPU, seconds, "CPU time"},
		{unix.RLIMIT_NOFILE, l.Files, "open files"},
		{unix.RLIMIT_CORE, 0, "core dumps"},
	} {
		if x.value == 0 && x.resource != unix.RLIMIT_CORE {
			continue
		}
		if err := lower(0, x.resource, x.value); err != nil {
			return fmt.Errorf("limit %s: %w", x.what, err)
		}
	}
	return nil
}

// applyMemory sets the limits on memory of a process that has just become the
// compiler. What it holds by then counts.
func (l Limits) applyMemory(pid int) error {
	for resource, value := range map[int]int64{unix.RLIMIT_DATA: l.Data, unix.RLIMIT_AS: l.AddressSpace} {
		// It may have ended already.
		if value == 0 {
			continue
		}
		if err := lower(pid, resource, value); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("limit memory: %w", err)
		}
	}
	return nil
}

// lower lowers a limit of a process, 0 being this one. Only root may raise one
// that is lower already.
func lower(pid, resource int, value int64) error {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &old); err != nil {
		return err
	}
	to := min(uint64(value), old.Max)
	return unix.Prlimit(pid, resource, &unix.Rlimit{Cur: to, Max: to}, nil)
}
