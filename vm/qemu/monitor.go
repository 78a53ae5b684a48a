// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// Monitor controls a guest through QMP, QEMU's own protocol. Its methods are not for
// concurrent use.
type Monitor struct {
	conn  *net.UnixConn
	dec   *json.Decoder
	ready bool
	pass  *os.File // to go along with the next command
}

func newMonitor(conn *net.UnixConn) *Monitor { return &Monitor{conn: conn, dec: json.NewDecoder(conn)} }

// socketPair returns two ends of a socket: one to talk through, one to hand to QEMU.
func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make QEMU's monitor: %w", err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	ours, theirs := os.NewFile(uintptr(fds[0]), "monitor"), os.NewFile(uintptr(fds[1]), "monitor")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("make QEMU's monitor: %w", err)
	}
	return conn.(*net.UnixConn), theirs, nil
}

// Boot starts a guest and waits until it has paused itself. Until then it sends QEMU nothing:
// a command that arrives at a random moment makes the guest differ from run to run.
func (m *Monitor) Boot(ctx context.Context) error {
	if err := m.Continue(ctx); err != nil {
		return err
	}
	return m.receive(ctx, func(r reply) bool { return r.Event == "GUEST_PANICKED" })
}

// Restored waits until a guest is back where it had paused itself.
func (m *Monitor) Restored(ctx context.Context) error {
	for {
		var status struct{ Status string }
		if err := m.execute(ctx, "query-status", nil, &status); err != nil {
			return err
		}
		if status.Status == "guest-panicked" {
			return nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// Continue lets a paused guest go on.
func (m *Monitor) Continue(ctx context.Context) error { return m.execute(ctx, "cont", nil, nil) }

// Save writes a paused guest to a file.
func (m *Monitor) Save(ctx context.Context, file *os.File) error {
	m.pass = file
	if err := m.execute(ctx, "getfd", map[string]any{"fdname": "snapshot"}, nil); err != nil {
		return err
	}
	// The default, 1 Gbit/s, is for networks.
	if err := m.execute(ctx, "migrate-set-parameters", map[string]any{"max-bandwidth": 100 << 30}, nil); err != nil {
		return err
	}
	if err := m.execute(ctx, "migrate", map[string]any{"uri": "fd:snapshot"}, nil); err != nil {
		return err
	}
	for {
		var status struct {
			Status string
			Desc   string `json:"error-desc"`
		}
		if err := m.execute(ctx, "query-migrate", nil, &status); err != nil {
			return err
		}
		switch status.Status {
		case "completed":
			return nil
		case "failed", "cancelled":
			return fmt.Errorf("save the guest: %s %s", status.Status, status.Desc)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// execute sends a command and decodes what it returns, unless result is nil.
func (m *Monitor) execute(ctx context.Context, command string, arguments, result any) error {
	if !m.ready {
		m.ready = true
		if err := m.execute(ctx, "qmp_capabilities", nil, nil); err != nil {
			return err
		}
	}
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	var rights []byte
	if m.pass != nil {
		rights = syscall.UnixRights(int(m.pass.Fd()))
	}
	_, _, err = m.conn.WriteMsgUnix(line, rights, nil)
	m.pass = nil
	if err != nil {
		return errors.Join(ctx.Err(), ErrGone, err)
	}
	failed := m.receive(ctx, func(r reply) bool {
		switch {
		case r.Error != nil:
			err = fmt.Errorf("QEMU, asked for %s: %s", command, r.Error.Desc)
		case r.Return == nil: // the greeting, or an event
			return false
		case result != nil:
			err = json.Unmarshal(r.Return, result)
		}
		return true
	})
	return errors.Join(failed, err)
}

// reply is anything that QEMU says.
type reply struct {
	Return json.RawMessage
	Error  *struct{ Desc string }
	Event  string
}

// receive reads replies until one is the last that is wanted.
func (m *Monitor) receive(ctx context.Context, last func(reply) bool) error {
	stop := context.AfterFunc(ctx, func() { _ = m.conn.SetDeadline(time.Now()) })
	defer stop()
	for {
		var r reply
		if err := m.dec.Decode(&r); err != nil {
			return errors.Join(ctx.Err(), ErrGone, err)
		}
		if last(r) {
			return nil
		}
	}
}

// ErrGone is returned by a Monitor whose QEMU no longer answers.
var ErrGone = errors.New("QEMU no longer answers")
