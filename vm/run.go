// SPDX-License-Identifier: Apache-2.0

// Package vm runs a job in a QEMU guest and brings back what the guest observed. It knows
// nothing of labs, BPF or points.
package vm

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"bpflab/vm/guest"
	"bpflab/vm/qemu"
)

// Config describes a guest and how long it may take.
type Config struct {
	qemu.Config

	// Snapshot is a file that Snapshots.Ensure made of the same guest: Run goes on from
	// there. Empty: Run boots.
	Snapshot string

	// Deadline is how long the whole run may take, in wall time. Zero: 15 minutes.
	Deadline time.Duration
	// Silence is how long a guest may send nothing on either channel before it
	// counts as hung and not as slow: in time that QEMU ran, so that a host that is too busy
	// to let it run does not end it. Zero: 45 seconds.
	Silence time.Duration
	// JobSilence is the same once the guest's agent has spoken. Zero: Silence.
	JobSilence time.Duration
	// CPU is how long QEMU may run for the job, all its threads together: what a guest that is
	// busy but never silent may take. Zero: no limit but Deadline.
	CPU time.Duration
	// Later is what the guest reads when it asks for it, and not before.
	Later []byte
	// Stage, if not nil, is called when the guest begins a step.
	Stage func(name string)

	nonce string // for tests that look for it; empty: a random one
}

func (c Config) withDefaults() Config {
	if c.Deadline == 0 {
		c.Deadline = 15 * time.Minute
	}
	if c.Silence == 0 {
		c.Silence = 45 * time.Second
	}
	c.JobSilence = cmp.Or(c.JobSilence, c.Silence)
	return c
}

// Result is what a guest brought back.
type Result struct {
	guest.Greeting
	Body    json.RawMessage // what was observed
	Console string
}

// resultMax bounds what a guest may say, so that one gone mad cannot fill the host's memory.
const resultMax = 16 << 20

// Run starts a guest, has it do the job and returns what it observed. Whatever goes wrong
// with the guest is a *Failure; when ctx is done, Run ends the guest and returns its error.
func Run(ctx context.Context, c Config, payload []byte) (*Result, error) {
	c = c.withDefaults()
	nonce := cmp.Or(c.nonce, rand.Text())
	cmd := &qemu.Command{Config: c.Config, Job: guest.Job{Nonce: nonce, Payload: payload, Later: c.Later}.Encode()}
	if c.Snapshot != "" {
		var err error
		if cmd.Snapshot, err = openSnapshot(c.Snapshot); err != nil {
			return nil, &Failure{Kind: ErrSnapshot, Cause: err}
		}
		defer cmd.Snapshot.Close()
		cmd.Config.Restore = true
	}
	s := session{Config: c, nonce: nonce}
	err := s.run(ctx, cmd, func(ctx context.Context, m *qemu.Monitor) error {
		start := m.Boot
		if c.Snapshot != "" {
			start = m.Restored
		}
		if err := start(ctx); err != nil {
			return err
		}
		return m.Continue(ctx)
	})
	if err != nil {
		return nil, err
	}
	if c.Exact && s.result.Paused > guest.Pause {
		return nil, &Failure{
			Kind: ErrClock, Detail: fmt.Sprintf("its pause took %d ns", s.result.Paused),
			Console: lastLines(s.result.Console, 50), Command: c.Config.String(),
		}
	}
	return &s.result, nil
}

// session is one guest and what it says.
type session struct {
	Config
	nonce             string
	greeted, answered bool
	overflowed        bool // it said more than resultMax; set before its lines end
	result            Result
	until             <-chan struct{} // closed: the session ends well, whatever was said
}

// run starts a guest, has direct steer it, listens to it until it is done, and ends it.
func (s *session) run(ctx context.Context, cmd *qemu.Command, direct func(context.Context, *qemu.Monitor) error) error {
	runCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := cmd.Start(runCtx); err != nil {
		return err
	}
	var (
		con       console
		alive     = make(chan struct{}, 1)
		lines     = make(chan []byte)
		steer     = make(chan error, 1)
		wg        sync.WaitGroup
		direction = func() {
			if err := direct(runCtx, cmd.Monitor); err != nil {
				steer <- err
			}
		}
	)
	wg.Go(direction)
	wg.Go(func() { _, _ = io.Copy(&con, heard{cmd.Console, alive}) })
	wg.Go(func() {
		defer close(lines)
		limited := &io.LimitedReader{R: heard{cmd.Results, alive}, N: resultMax}
		in := bufio.NewReader(limited)
		for {
			line, err := in.ReadBytes('\n')
			if err != nil { // a line that was cut short says nothing but that the guest ended
				s.overflowed = limited.N <= 0
				return
			}
			lines <- bytes.TrimSuffix(line, []byte("\n"))
		}
	})

	verdict := s.listen(ctx, lines, alive, steer, cmd.CPU)
	if verdict != nil && verdict.Detail == ended {
		// It closes its channels before it ends: let it, for how it ends is the cause.
		select {
		case <-cmd.Done():
		case <-ctx.Done():
		case <-time.After(endGrace):
			verdict.Detail = "it closed its result channel without \"done\""
		}
	}
	cmd.Kill() // it has said all it had to say
	cancel()
	for range lines {
	}
	wg.Wait()
	cmd.Close()
	exit := cmd.Wait()

	if err := ctx.Err(); err != nil {
		return err
	}
	s.result.Console = con.String()
	if line := con.Trouble(); line != "" {
		verdict = &Failure{Kind: ErrPanic, Detail: line}
	} else if verdict != nil && verdict.Kind != ErrAgent {
		s.explain(verdict, exit)
	}
	if verdict != nil {
		verdict.Console, verdict.Command = lastLines(s.result.Console, 50), cmd.Config.String()
		return verdict
	}
	return nil
}

// explain adds to a failure how QEMU ended, where it did so by itself.
func (s *session) explain(f *Failure, exit error) {
	var status *exec.ExitError
	if f.Detail != ended || !errors.As(exit, &status) {
		return
	}
	f.Cause = fmt.Errorf("QEMU: %w", exit)
	if ws, ok := status.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		f.Kind = ErrKilled
	} else if s.Snapshot != "" && f.Kind == ErrBoot {
		f.Kind = ErrSnapshot
	}
}

// endGrace is how long a QEMU may take to end once its channels are closed.
const endGrace = 5 * time.Second

const ended = "it ended without \"done\""

// asleep is the part of the time below which a QEMU does not run because it does not want to:
// a busy host leaves it more.
const asleep = 0.02

// patience says how much longer a guest that has been silent for wall time, of which its QEMU
// ran for ran, may stay so: 0 if it is hung.
func (s *session) patience(wall, ran time.Duration) time.Duration {
	if ran >= s.silence() || float64(ran) < asleep*float64(wall) {
		return 0
	}
	return max(s.silence()-ran, s.silence()/100)
}

func (s *session) silence() time.Duration {
	if s.greeted {
		return s.JobSilence
	}
	return s.Silence
}

// listen returns nil once the guest has said a result and "done". cpu is how long its QEMU has
// run.
func (s *session) listen(ctx context.Context, lines <-chan []byte, alive <-chan struct{}, steer <-chan error, cpu func() time.Duration) *Failure {
	deadline := time.NewTimer(s.Deadline)
	defer deadline.Stop()
	silence := time.NewTimer(s.Silence)
	defer silence.Stop()
	heard, ran, began := time.Now(), cpu(), cpu()
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if s.CPU > 0 && cpu()-began > s.CPU {
				return &Failure{Kind: ErrBusy, Detail: fmt.Sprintf("it took more than %v of CPU time", s.CPU)}
			}
		case <-ctx.Done():
			return nil // run reports ctx's error
		case <-s.until:
			return nil
		case err := <-steer:
			var failure *Failure
			if errors.As(err, &failure) {
				return failure
			}
			if !errors.Is(err, qemu.ErrGone) { // else it has ended, and lines ends with it
				return &Failure{Kind: s.phase(ErrProtocol), Cause: err}
			}
		case <-deadline.C:
			return &Failure{Kind: ErrDeadline, Detail: fmt.Sprintf("%v were allowed", s.Deadline)}
		case <-silence.C:
			if more := s.patience(time.Since(heard), cpu()-ran); more > 0 {
				silence.Reset(more)
				continue
			}
			return &Failure{Kind: s.phase(ErrSilent), Detail: fmt.Sprintf("not a word for %v", s.silence())}
		case <-alive:
			silence.Reset(s.silence())
			heard, ran = time.Now(), cpu()
		case line, ok := <-lines:
			if !ok && s.overflowed {
				return &Failure{Kind: ErrProtocol, Detail: fmt.Sprintf("it said more than %d MiB", resultMax>>20)}
			}
			if !ok {
				return &Failure{Kind: s.phase(ErrProtocol), Detail: ended}
			}
			if done, failure := s.message(line); done || failure != nil {
				return failure
			}
		}
	}
}

// phase is the kind of a failure: before the greeting, whatever happened is a boot that failed.
func (s *session) phase(kind error) error {
	if !s.greeted {
		return ErrBoot
	}
	return kind
}

func (s *session) message(line []byte) (done bool, _ *Failure) {
	var m guest.Message
	if err := json.Unmarshal(line, &m); err != nil {
		return false, &Failure{Kind: ErrProtocol, Detail: fmt.Sprintf("expected a line of JSON, found %.80q", line)}
	}
	var text string
	if m.Type == guest.Failed {
		// Before it has read its job an agent knows no nonce; that it failed is all it can say.
		_ = json.Unmarshal(m.Body, &text)
		return false, &Failure{Kind: ErrAgent, Detail: text}
	}
	if !s.greeted && m.Type != guest.Hello || m.Type == guest.Hello && m.Nonce != s.nonce {
		return false, &Failure{Kind: ErrProtocol, Detail: fmt.Sprintf("a message of kind %q before a greeting with this run's nonce", m.Type)}
	}
	switch m.Type {
	case guest.Hello:
		if s.greeted {
			return false, &Failure{Kind: ErrProtocol, Detail: "it greeted twice"}
		}
		s.greeted = true
		if err := json.Unmarshal(m.Body, &s.result.Greeting); err != nil {
			return false, &Failure{Kind: ErrProtocol, Detail: "greeting", Cause: err}
		}
	case guest.Stage:
		_ = json.Unmarshal(m.Body, &text)
		if s.Stage != nil {
			s.Stage(text)
		}
	case guest.Result:
		if len(m.Body) == 0 {
			return false, &Failure{Kind: ErrProtocol, Detail: "a result without a body"}
		}
		s.answered, s.result.Body = true, m.Body
	case guest.Done:
		if !s.answered {
			return false, &Failure{Kind: ErrProtocol, Detail: "it said \"done\" without a result"}
		}
		return true, nil
	default:
		return false, &Failure{Kind: ErrProtocol, Detail: fmt.Sprintf("a message of unknown kind %q", m.Type)}
	}
	return false, nil
}

// heard tells alive of every read that brought something.
type heard struct {
	io.Reader
	alive chan<- struct{}
}

func (h heard) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		select {
		case h.alive <- struct{}{}:
		default:
		}
	}
	return n, err
}
