// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// do is what this binary does in a sandbox: the first line says what it asks
// for, and it prints what became of it.
var do = map[string]func(args []string) error{
	"read": func(a []string) error {
		text, err := os.ReadFile(a[0])
		fmt.Print(string(text))
		return err
	},
	"write": func(a []string) error { return os.WriteFile(a[0], []byte("new"), 0o644) },
	"link":  func(a []string) error { return os.Link(a[0], a[1]) },
	"fifo":  func(a []string) error { return unix.Mkfifo(a[0], 0o600) },
	"stdin": func([]string) error {
		text, err := io.ReadAll(os.Stdin)
		fmt.Printf("%q", text)
		return err
	},
	"environ": func([]string) error { fmt.Print(os.Environ()); return nil },
	"terminal": func([]string) error {
		_, err := os.Open("/dev/tty")
		return err
	},
	"socket": func([]string) error {
		_, err := net.Dial("udp", "127.0.0.1:9")
		return err
	},
	"unix":      func([]string) error { _, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err },
	"netlink":   func([]string) error { _, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, 0); return err },
	"ptrace":    func([]string) error { return unix.PtraceAttach(os.Getppid()) },
	"signal":    func(a []string) error { n, _ := strconv.Atoi(a[0]); return syscall.Kill(n, 0) },
	"unshare":   func([]string) error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"mount":     func([]string) error { return unix.Mount("none", "/", "tmpfs", 0, "") },
	"bpf":       func([]string) error { return call(unix.SYS_BPF) },
	"perf":      func([]string) error { return call(unix.SYS_PERF_EVENT_OPEN) },
	"io_uring":  func([]string) error { return call(unix.SYS_IO_URING_SETUP) },
	"keyctl":    func([]string) error { return call(unix.SYS_KEYCTL) },
	"memfd":     func([]string) error { _, err := unix.MemfdCreate("x", 0); return err },
	"userfault": func([]string) error { return call(unix.SYS_USERFAULTFD) },
	"kexec":     func([]string) error { return call(unix.SYS_KEXEC_LOAD) },
	"setuid":    func([]string) error { return unix.Setuid(os.Getuid()) },
	"namespace": func([]string) error {
		cmd := exec.Command("/bin/true")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
		return cmd.Run()
	},
	"spawn": func([]string) error { return exec.Command("/bin/true").Run() },
	"threads": func([]string) error {
		for range 8 {
			go func() { runtime.LockOSThread(); select {} }()
		}
		time.Sleep(20 * time.Millisecond)
		return nil
	},
	"memory": func(a []string) error {
		n, _ := strconv.Atoi(a[0])
		var all [][]byte
		for range n {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
		}
		time.Sleep(200 * time.Millisecond)
		runtime.KeepAlive(all)
		return nil
	},
	"spin": func([]string) error {
		for n := 0; ; n++ {
			if n < 0 {
				return nil
			}
		}
	},
	"sleep": func([]string) error { time.Sleep(time.Minute); return nil },
	"children": func([]string) error {
		for range 3 {
			if err := exec.Command("/bin/sleep", "60").Start(); err != nil {
				return err
			}
		}
		return nil
	},
	"large": func(a []string) error { return os.WriteFile(a[0], make([]byte, 2<<20), 0o644) },
	"many": func([]string) error {
		var err error
		for range 100 {
			if _, err = os.Open("/dev/null"); err != nil {
				break
			}
		}
		return err
	},
	"limits": func([]string) error {
		raw, err := os.ReadFile("/proc/self/limits")
		fmt.Print(string(raw))
		return err
	},
	"privileges": func([]string) error {
		n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
		fmt.Print(n)
		return err
	},
}

func call(number uintptr) error {
	if _, _, errno := unix.Syscall6(number, 0, 0, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "do" {
		if err := do[os.Args[2]](os.Args[3:]); err != nil {
			fmt.Print("error: ", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// task is this binary in a sandbox that may write work.
func task(t testing.TB, work string, args ...string) Command {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return Command{
		Path: self, Args: append([]string{"do"}, args...), Dir: work,
		Read: []string{self, "/usr", "/lib", "/lib64", "/bin", "/proc/self"}, Write: []string{work},
	}
}

func run(t testing.TB, c Command) (Result, string) {
	t.Helper()
	var out bytes.Buffer
	c.Output = &out
	r, err := Run(t.Context(), c)
	require.NoError(t, err)
	return r, out.String()
}

// confined skips where a kernel cannot do what is tested. Since 5.13 it can, if built so.
func confined(t testing.TB) {
	t.Helper()
	if why := Missing(); why != "" {
		t.Skip(why)
	}
}

func TestFiles(t *testing.T) {
	confined(t)
	work, outside := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("the key"), 0o644))
	require.NoError(t, os.Symlink(secret, filepath.Join(work, "way")))
	mine := filepath.Join(work, "mine")

	for _, args := range [][]string{
		{"read", secret}, {"read", "way"}, {"read", "/etc/passwd"}, {"read", "/dev/zero"}, {"read", "/proc/1/environ"},
		{"read", fmt.Sprintf("/proc/%d/environ", os.Getpid())},
		{"write", secret}, {"write", "way"}, {"write", "/tmp/bpflab-sandbox-test"}, {"write", "/usr/bpflab-sandbox-test"},
		{"link", secret, mine}, {"fifo", mine}, {"terminal"},
	} {
		r, out := run(t, task(t, work, args...))
		assert.NotNil(t, r.Exit, "%v: %s", args, out)
		assert.NotContains(t, out, "the key")
	}
	for _, args := range [][]string{{"write", mine}, {"read", mine}, {"read", "/usr/bin/env"}, {"write", "/dev/null"}} {
		r, out := run(t, task(t, work, args...))
		assert.Nil(t, r.Exit, "%v: %.80s", args, out)
	}

	c := task(t, work, "read", secret)
	c.Mode = Off
	r, out := run(t, c)
	assert.Nil(t, r.Exit)
	assert.Equal(t, "the key", out)
}

func TestCalls(t *testing.T) {
	confined(t)
	work := t.TempDir()
	for _, name := range []string{"socket", "unix", "netlink", "ptrace", "unshare", "mount", "bpf", "perf", "io_uring", "keyctl", "memfd", "userfault", "kexec", "setuid", "namespace"} {
		r, out := run(t, task(t, work, name))
		assert.NotNil(t, r.Exit, name)
		assert.Contains(t, out, "operation not permitted", name)
	}
	for _, alone := range []bool{false, true} {
		c := task(t, work, "spawn")
		c.Alone = alone
		r, out := run(t, c)
		assert.Equal(t, alone, r.Exit != nil, "spawn, alone: %v: %s", alone, out)
		c.Args = []string{"do", "threads"}
		r, out = run(t, c)
		assert.Nil(t, r.Exit, "threads, alone: %v: %s", alone, out)
	}
	r, out := run(t, task(t, work, "privileges"))
	assert.Nil(t, r.Exit)
	assert.Equal(t, "1", out)

	if probe().landlock >= 6 {
		r, out = run(t, task(t, work, "signal", fmt.Sprint(os.Getpid())))
		assert.NotNil(t, r.Exit, out)
	}
}

func TestNothingIsInherited(t *testing.T) {
	t.Setenv("BPFLAB_RECEIPT_KEY", "the key")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	_, err = w.WriteString("for somebody else")
	require.NoError(t, err)
	w.Close()
	old := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = old; r.Close() }()

	c := task(t, t.TempDir(), "environ")
	c.Env = []string{"LC_ALL=C"}
	_, out := run(t, c)
	assert.Equal(t, "[LC_ALL=C]", out)
	c.Args = []string{"do", "stdin"}
	_, out = run(t, c)
	assert.Equal(t, `""`, out)
	left, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, "for somebody else", string(left))
}

func TestLimits(t *testing.T) {
	work := t.TempDir()
	for name, tt := range map[string]struct {
		limits   Limits
		args     []string
		exceeded Resource
	}{
		"memory":     {Limits{Memory: 128 << 20}, []string{"memory", "300"}, Memory},
		"CPU time":   {Limits{CPU: time.Second}, []string{"spin"}, CPU},
		"time":       {Limits{Time: 200 * time.Millisecond}, []string{"sleep"}, Time},
		"descendant": {Limits{Time: 10 * time.Second}, []string{"children"}, ""},
		"within":     {Limits{Memory: 256 << 20, CPU: 10 * time.Second, Time: 20 * time.Second, File: 4 << 20}, []string{"large", filepath.Join(work, "within")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := task(t, work, tt.args...)
			c.Limits = tt.limits
			began := time.Now()
			r, out := run(t, c)
			assert.Equal(t, tt.exceeded, r.Exceeded, out)
			assert.Less(t, time.Since(began), time.Minute)
		})
	}

	c := task(t, work, "large", filepath.Join(work, "large"))
	c.Limits.File = 1 << 20
	r, out := run(t, c)
	assert.True(t, r.Exit != nil, out)
	info, err := os.Stat(filepath.Join(work, "large"))
	require.NoError(t, err)
	assert.LessOrEqual(t, info.Size(), int64(1<<20))

	c = task(t, work, "many")
	c.Limits.Files = 32
	_, out = run(t, c)
	assert.Contains(t, out, "too many open files")

	c = task(t, work)
	c.Path, c.Args = "/bin/sh", []string{"-c", "sleep 0.3; cat /proc/self/limits"}
	c.Mode = Off // of /proc
	c.Limits = Limits{AddressSpace: 300 << 20, Data: 200 << 20}
	_, out = run(t, c)
	assert.Regexp(t, `Max address space +314572800 +314572800`, out)
	assert.Regexp(t, `Max data size +209715200 +209715200`, out)

	c = task(t, work, "limits")
	c.Limits = Limits{File: 5 << 20, CPU: 1500 * time.Millisecond, Files: 64}
	_, out = run(t, c)
	for _, want := range []string{`Max core file size +0 +0`, `Max cpu time +2 +2`, `Max file size +5242880 +5242880`, `Max open files +64 +64`} {
		assert.Regexp(t, want, out)
	}
}

func TestNobodyIsLeft(t *testing.T) {
	_, _ = run(t, task(t, t.TempDir(), "children"))
	assert.Eventually(t, func() bool { return sleepers(t) == 0 }, 5*time.Second, 10*time.Millisecond)

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := Run(ctx, task(t, t.TempDir(), "sleep"))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

// sleepers counts what "children" has started, and this process has inherited nowhere.
func sleepers(t testing.TB) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range all {
		raw, _ := os.ReadFile(path)
		if string(raw) == "/bin/sleep\x0060\x00" {
			n++
		}
	}
	return n
}

func TestInfrastructure(t *testing.T) {
	work := t.TempDir()
	c := task(t, work, "threads")
	c.Path = filepath.Join(work, "nothing")
	_, err := Run(t.Context(), c)
	assert.ErrorContains(t, err, "no such file")

	c = task(t, work, "threads")
	c.Dir = filepath.Join(work, "nowhere")
	_, err = Run(t.Context(), c)
	assert.Error(t, err)

	if probe().landlock > 0 {
		c = task(t, work, "threads")
		c.Write = []string{filepath.Join(work, "nowhere")}
		_, err = Run(t.Context(), c)
		assert.ErrorContains(t, err, "Landlock")
	}
}

func TestModes(t *testing.T) {
	var m Mode
	assert.Equal(t, "auto", m.String())
	for _, s := range []string{"off", "require", "auto"} {
		require.NoError(t, m.Set(s))
		assert.Equal(t, s, m.String())
	}
	assert.Error(t, m.Set("on"))

	list, err := Enforced(Off)
	require.NoError(t, err)
	assert.Equal(t, "off", list[0])
	list, err = Enforced(Auto)
	require.NoError(t, err)
	if Missing() == "" {
		assert.Contains(t, strings.Join(list, ", "), fmt.Sprintf("landlock abi %d, seccomp, rlimits", probe().landlock))
		_, err = Enforced(Require)
		assert.NoError(t, err)
		return
	}
	_, err = Enforced(Require)
	assert.True(t, errors.Is(err, ErrCannot), "%v", err)
}

func BenchmarkRun(b *testing.B) {
	c := task(b, b.TempDir())
	c.Path, c.Args = "/bin/true", nil
	for b.Loop() {
		run(b, c)
	}
}
