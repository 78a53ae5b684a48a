// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Run runs a command and waits until it, and all that it started, has ended. An error
// means that it did not run as it should, or that ctx ended: it says nothing about
// the command's input.
func Run(ctx context.Context, c Command) (r Result, err error) {
	have, err := Protections(c.Mode)
	if err != nil {
		return r, err
	}
	p := policy{
		Path: c.Path, Args: append([]string{c.Path}, c.Args...), Env: c.Env,
		Read: c.Read, Write: c.Write, Alone: c.Alone, Limits: c.Limits,
		Landlock: have.landlock > 0, Seccomp: have.seccomp,
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return r, err
	}
	in, inEnd, err := os.Pipe()
	if err != nil {
		return r, fmt.Errorf("start %s confined: %w", c.Path, err)
	}
	defer in.Close()
	defer inEnd.Close()
	report, reportEnd, err := os.Pipe()
	if err != nil {
		return r, fmt.Errorf("start %s confined: %w", c.Path, err)
	}
	defer report.Close()
	defer reportEnd.Close()

	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(limited, "/proc/self/exe")
	cmd.Args = []string{name}
	cmd.Env = []string{}
	cmd.Dir = c.Dir
	cmd.Stdout, cmd.Stderr = c.Output, c.Output
	cmd.ExtraFiles = []*os.File{policyFD - 3: in, reportFD - 3: reportEnd}
	// A session of its own, without a terminal: the unit that is watched, and ended as one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	group := newGroup(c.Limits)
	defer group.close()
	group.place(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		return r, fmt.Errorf("start %s confined: %w", c.Path, err)
	}
	reportEnd.Close()
	in.Close()
	_, err = inEnd.Write(raw)
	if err = errors.Join(err, inEnd.Close()); err != nil {
		cancel(err)
	}

	stopped := make(chan struct{})
	watched := make(chan Resource, 1)
	go func() {
		watched <- watch(stopped, cmd.Process.Pid, c.Limits, func() { cancel(errors.New("over a limit")) })
	}()
	// It ends as the process becomes the compiler.
	problem, readErr := io.ReadAll(io.LimitReader(report, 4096))
	if limitErr := c.Limits.applyMemory(cmd.Process.Pid); limitErr != nil {
		err = errors.Join(err, limitErr)
		cancel(err)
	}
	waitErr := cmd.Wait()
	if errors.Is(waitErr, exec.ErrWaitDelay) {
		waitErr = nil // it ended well; on a machine that is too busy the end of its output may take longer
	}
	close(stopped)
	r.Exceeded = <-watched
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whoever is left

	if cmd.ProcessState != nil {
		r.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	switch {
	case ctx.Err() != nil:
		return r, context.Cause(ctx)
	case err != nil:
		return r, fmt.Errorf("start %s confined: %w", c.Path, err)
	case readErr != nil:
		return r, fmt.Errorf("start %s confined: %w", c.Path, readErr)
	case len(problem) > 0:
		return r, fmt.Errorf("start %s confined: %s", c.Path, problem)
	case waitErr != nil && !errors.As(waitErr, &r.Exit):
		return r, fmt.Errorf("run %s: %w", c.Path, waitErr)
	}
	r.Exceeded = r.exceeded(c.Limits, group)
	return r, nil
}

// exceeded says which limit ended a command, as far as can be told from how it ended.
func (r Result) exceeded(l Limits, g *group) Resource {
	if r.Exceeded != "" || r.Exit == nil {
		return r.Exceeded
	}
	status, _ := r.Exit.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGXFSZ:
		return File
	// The kernel counts ticks against its limit, which may run ahead of the time that it reports in the end.
	case l.CPU > 0 && r.CPU >= l.CPU/2 && (status.Signal() == syscall.SIGKILL || status.Signal() == syscall.SIGXCPU):
		return CPU
	case g.outOfMemory():
		return Memory
	}
	return ""
}

// Enforced lists what confines a command in a mode, in a few words each.
func Enforced(m Mode) ([]string, error) {
	have, err := Protections(m)
	if err != nil {
		return nil, err
	}
	return have.list(), nil
}

// Missing says what of it this kernel lacks, in a sentence, and is empty if nothing is.
func Missing() string {
	have := probe()
	var lacks []string
	if have.landlock == 0 {
		lacks = append(lacks, "Landlock (Linux 5.13, with lsm=landlock)")
	}
	if !have.seccomp {
		lacks = append(lacks, "seccomp")
	}
	if len(lacks) == 0 {
		return ""
	}
	return "this kernel has no " + strings.Join(lacks, " and no ")
}
