// SPDX-License-Identifier: Apache-2.0

// Package process runs a program that nobody vouches for, beside the grader and with no more
// than it is given: its own descriptors, an empty folder for a root, no network, no privilege,
// no sight of another process, so much memory, and few system calls.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// What a program may use.
const (
	user       = 65534     // nobody
	maxThreads = 64        // of all its processes together
	maxMemory  = 32 << 20  // bytes that it takes, all its processes together; a guest has some 150 MiB to spare
	maxData    = 160 << 20 // bytes of addresses that it may write to; Go takes some 60 MiB for a start
	maxFile    = 0         // bytes of a file: it has nowhere to write one
	maxFiles   = 32
	maxText    = 64 << 10 // bytes that it may print
	keepText   = 2 << 10  // bytes of them that are kept
)

// LastWords is how long to listen to a program that has ended.
const LastWords = 200 * time.Millisecond

// Process is a program that runs.
type Process struct {
	PID int

	cmd     *exec.Cmd
	dir     string
	group   *group
	control *os.File
	done    chan struct{}
	exit    error
	greedy  bool // it was ended for the memory that it took; set before done is closed

	mu      sync.Mutex
	text    []byte
	printed int
	ended   bool   // because it was told to
	blamed  string // for what it was ended
}

// Start starts a program, a file that anybody may run, with arguments. It finds files as its descriptors
// from 3 on. Its descriptor 0 ends when Close is called; 1 and 2 are kept as its Text. Requires root.
func Start(program string, args []string, files ...*os.File) (_ *Process, err error) {
	dir, err := os.MkdirTemp("", "program-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for a program: %w", err)
	}
	p := &Process{dir: dir, done: make(chan struct{})}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
			if p.group != nil {
				_ = p.group.close()
			}
			err = fmt.Errorf("start a program: %w", err)
		}
	}()
	err = errors.Join(os.Link(program, filepath.Join(dir, "program")), os.Chmod(dir, 0o555))
	if err != nil {
		return nil, err
	}
	if p.group, err = newGroup(); err != nil {
		return nil, err
	}
	stdin, control, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	text, textEnd, err := os.Pipe()
	if err != nil {
		control.Close()
		return nil, err
	}
	defer textEnd.Close()
	p.control = control
	p.cmd = &exec.Cmd{
		Path: "/program", Args: append([]string{"program"}, args...), Env: []string{"GOTRACEBACK=single"}, Dir: "/",
		Stdin: stdin, Stdout: textEnd, Stderr: textEnd, ExtraFiles: files,
		SysProcAttr: &syscall.SysProcAttr{
			Chroot: dir, Credential: &syscall.Credential{Uid: user, Gid: user}, Setsid: true,
			// Its first process is init of a namespace: whatever it forks ends with it.
			Cloneflags:  syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
			Ptrace:      true, // it stops before its first instruction, to be given its limits
			UseCgroupFD: true, CgroupFD: int(p.group.dir.Fd()),
		},
	}
	if err = p.start(); err != nil {
		control.Close()
		text.Close()
		return nil, err
	}
	go p.attend(text)
	return p, nil
}

// Possible returns an error if this kernel cannot confine a program, for example because it has no
// namespaces, no seccomp filters, or no control groups that limit memory. Requires root.
func Possible() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find a program to start: %w", err)
	}
	p, err := Start(self, nil)
	if err != nil {
		return err
	}
	p.Close()
	return nil
}

// attend listens to the program until it has ended.
func (p *Process) attend(text *os.File) {
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		p.read(text)
	}()
	p.exit = p.cmd.Wait()
	p.greedy = p.group.exhausted()
	// Its last words are in the pipe. That the pipe ends is not sure: a program can leave its end of
	// it in a socket that waits in itself to be received, which a kernel finds out when it likes.
	_ = text.SetReadDeadline(time.Now().Add(LastWords))
	<-heard
	close(p.done)
}

// start starts the program, sets its limits and lets it go.
func (p *Process) start() error {
	runtime.LockOSThread() // only the thread that starts it may let it go
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.PID = p.cmd.Process.Pid
	err := p.limit()
	if err == nil {
		err = confine(p.PID)
	}
	if err == nil {
		err = unix.PtraceDetach(p.PID)
	}
	if errors.Is(err, errNoStack) {
		p.blamed = fmt.Sprintf("it could not be started: %d MiB of memory are what it may write to, its stack and what Go needs included", maxData>>20)
		_ = p.cmd.Process.Kill() // attend waits for it
		return nil
	}
	if err != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
	return err
}

// errNoStack is returned for a program whose data leave no room for a stack.
var errNoStack = errors.New("no room on its stack")

func (p *Process) limit() error {
	var status unix.WaitStatus
	if _, err := unix.Wait4(p.PID, &status, 0, nil); err != nil {
		return err
	}
	if !status.Stopped() {
		return fmt.Errorf("expected it to stop before it begins, found status %#x", uint32(status))
	}
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_NPROC: maxThreads, unix.RLIMIT_DATA: maxData, unix.RLIMIT_FSIZE: maxFile,
		unix.RLIMIT_NOFILE: maxFiles, unix.RLIMIT_CORE: 0, unix.RLIMIT_MEMLOCK: 0,
	} {
		if err := unix.Prlimit(p.PID, resource, &unix.Rlimit{Cur: limit, Max: limit}, nil); err != nil {
			return fmt.Errorf("set its limit %d to %d: %w", resource, limit, err)
		}
	}
	return nil
}

// read keeps the beginning of what the program prints, and stops listening to one that prints
// without end.
func (p *Process) read(text *os.File) {
	defer text.Close() // from then on printing fails
	buf := make([]byte, 4<<10)
	for {
		n, err := text.Read(buf)
		p.mu.Lock()
		p.text = append(p.text, buf[:min(n, keepText-len(p.text))]...)
		p.printed += n
		over := p.printed > maxText
		p.mu.Unlock()
		if err != nil || over {
			return
		}
	}
}

// Text is the beginning of what the program has printed.
func (p *Process) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	// It is shown on a terminal, which must not take it for commands.
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.TrimSpace(string(p.text)))
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Trouble says what a program did that is to go on until it is told to end, and did not; it
// is empty while all is well.
func (p *Process) Trouble() string {
	p.mu.Lock()
	printed, ended, blamed := p.printed, p.ended, p.blamed
	p.mu.Unlock()
	if blamed != "" {
		return blamed
	}
	what := ""
	select {
	case <-p.done:
		switch {
		case p.greedy:
			what = fmt.Sprintf("it took more than %d MiB of memory", maxMemory>>20)
		case !ended && killedBy(p.exit, syscall.SIGSYS):
			what = "it tried to start another process"
		case !ended:
			what = "it ended early: " + exitText(p.exit)
		}
	default:
	}
	if printed > maxText {
		what = strings.TrimPrefix(what+fmt.Sprintf("; it printed more than %d KiB", maxText>>10), "; ")
	}
	return what
}

// Inspect ends a program that is in trouble, so that it takes no more time. It returns the trouble.
func (p *Process) Inspect() string {
	if t := p.Trouble(); t != "" {
		p.Blame(t)
	}
	return p.Trouble()
}

// Blame ends a program for something. The first blame stays.
func (p *Process) Blame(what string) {
	p.mu.Lock()
	if p.blamed == "" {
		p.blamed = what
	}
	p.mu.Unlock()
	_ = p.cmd.Process.Kill()
	<-p.done
}

func killedBy(err error, signal syscall.Signal) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == signal
}

func exitText(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "exit status 0"
	case errors.As(err, &exit):
		return exit.Error()
	}
	return err.Error()
}

// Stop keeps the program from running until Continue. It returns once the program has stopped, or
// has ended. One with a thread that does not stop, as it waits in vfork, is ended.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return unlessEnded(err)
	}
	stopped := make(chan error, 1)
	go func() {
		for { // it stops when it gets a CPU the next time
			err := unix.Waitid(unix.P_PID, p.PID, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
			if !errors.Is(err, unix.EINTR) {
				stopped <- unlessEnded(err)
				return
			}
		}
	}()
	select {
	case err := <-stopped:
		return err
	case <-time.After(untilStopped):
		p.Blame("it could not be stopped")
		return <-stopped
	}
}

// untilStopped is more than 64 threads take to stop.
const untilStopped = time.Second

// Continue lets the program run again.
func (p *Process) Continue() error { return unlessEnded(p.cmd.Process.Signal(syscall.SIGCONT)) }

func unlessEnded(err error) error {
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, unix.ECHILD) {
		return nil
	}
	return err
}

// CPU is how long the program has run, all its threads together, ns. Of one that has ended it is 0.
func (p *Process) CPU() (time.Duration, error) {
	const cpuclockSched = 2 // CLOCK_PROCESS_CPUTIME_ID of another process
	clock := int32(^p.PID<<3 | cpuclockSched)
	var now unix.Timespec
	err := unix.ClockGettime(clock, &now)
	if errors.Is(err, unix.EINVAL) { // there is no such process any more
		<-p.done
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read a program's clock: %w", err)
	}
	return time.Duration(now.Nano()), nil
}

// told says that the program's end is none of its own doing from now on.
func (p *Process) told() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done: // by itself, before
	default:
		p.ended = true
	}
	p.control.Close()
}

// Close ends the program and all that it started.
func (p *Process) Close() {
	p.told()
	_ = p.cmd.Process.Kill()
	<-p.done
	_ = os.RemoveAll(p.dir)
	_ = p.group.close()
}

// Write sends the program a line on its descriptor 0.
func (p *Process) Write(line []byte) (int, error) { return p.control.Write(line) }
