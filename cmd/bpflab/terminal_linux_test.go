// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// session is a command on a terminal that somebody looks at.
type session struct {
	t      testing.TB
	cmd    *exec.Cmd
	master *os.File // what is typed, and what is shown
	slave  *os.File // open for as long as a shell's is
	ended  chan error

	mu      sync.Mutex
	screen  *vt.Emulator
	raw     strings.Builder // all that was printed
	replies atomic.Int64    // bytes that the terminal replied to questions; not guarded, for the emulator waits until they are read
}

// onTerminal starts a command on a terminal of some size. Below what a shell may have printed, its screen is empty.
func onTerminal(t testing.TB, columns, rows int, cmd *exec.Cmd) *session {
	t.Helper()
	master, slave, err := pty.Open()
	require.NoError(t, err)
	s := &session{t: t, cmd: cmd, master: master, slave: slave, ended: make(chan error, 1), screen: vt.NewEmulator(columns, rows)}
	// As most terminals of today do: u asks for the keyboard's protocol, and the emulator does not know it.
	s.screen.RegisterCsiHandler(ansi.Command('?', 0, 'u'), func(ansi.Params) bool {
		_, err := io.WriteString(s.screen.InputPipe(), "\x1b[?0u")
		return err == nil
	})
	require.NoError(t, pty.Setsize(master, &pty.Winsize{Rows: uint16(rows), Cols: uint16(columns)}))
	s.shown("$ bpflab watch\r\n")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	go func() { s.ended <- cmd.Wait() }()

	var copies sync.WaitGroup
	copies.Go(func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := master.Read(buffer)
			s.shown(string(buffer[:n]))
			if err != nil {
				return
			}
		}
	})
	copies.Go(func() { // what a terminal replies is as if it were typed
		buffer := make([]byte, 4<<10)
		for {
			n, err := s.screen.Read(buffer)
			if err != nil {
				return
			}
			s.replies.Add(int64(n))
			s.press(string(buffer[:n]))
		}
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		slave.Close()
		master.Close()
		assert.NoError(t, s.screen.InputPipe().(io.Closer).Close()) // Close of the screen itself is not for two goroutines
		copies.Wait()
	})
	return s
}

func (s *session) shown(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw.WriteString(text)
	_, _ = s.screen.WriteString(text)
}

// printed is all that was printed so far.
func (s *session) printed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.String()
}

// untilPrinted waits until a text was printed: what a terminal shows may come after its command has ended.
func (s *session) untilPrinted(text string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return strings.Contains(s.printed(), text) }, time.Minute, 5*time.Millisecond, "expected %s to be printed", text)
}

// lines are what is on the screen, without blanks at their ends.
func (s *session) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := strings.Split(s.screen.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return lines
}

func (s *session) String() string { return strings.TrimRight(strings.Join(s.lines(), "\n"), "\n") }

// press types keys.
func (s *session) press(keys string) {
	_, err := io.WriteString(s.master, keys)
	if err != nil && !errors.Is(err, os.ErrClosed) {
		assert.NoError(s.t, err)
	}
}

// until waits until the screen has all of some texts.
func (s *session) until(texts ...string) {
	s.t.Helper()
	s.untilTrue(strings.Join(texts, ", "), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

func (s *session) untilTrue(what string, done func(screen string) bool) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return done(s.String()) }, time.Minute, 5*time.Millisecond, "expected %s on the screen:\n%s", what, s)
}

// resizeTo tells the command that its terminal has another size. What is seen stays as wide as it was.
func (s *session) resizeTo(columns, rows int) {
	require.NoError(s.t, pty.Setsize(s.master, &pty.Winsize{Rows: uint16(rows), Cols: uint16(columns)}))
}

// modes are how the terminal treats what is typed and printed.
func (s *session) modes() unix.Termios {
	modes, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	require.NoError(s.t, err)
	return *modes
}

// assertRestored checks that the terminal is what it was before the command, and that nothing is left to be read
// by whoever reads next.
func (s *session) assertRestored(modes unix.Termios) {
	s.t.Helper()
	s.until("$ bpflab watch")
	assert.Equal(s.t, "$ bpflab watch", s.String())
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.False(s.t, s.screen.IsAltScreen())
	assert.False(s.t, s.screen.CursorHidden())
	assert.Zero(s.t, s.replies.Load(), "bytes that the terminal has replied")
	assert.Equal(s.t, modes, s.modes())
	raw := modes
	raw.Lflag &^= unix.ICANON
	require.NoError(s.t, unix.IoctlSetTermios(int(s.slave.Fd()), unix.TCSETS, &raw))
	unread, err := unix.IoctlGetInt(int(s.slave.Fd()), unix.TIOCINQ)
	require.NoError(s.t, err)
	assert.Zero(s.t, unread, "bytes that nobody has read")
}

// end waits for the command's end.
func (s *session) end() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(time.Minute):
		s.t.Fatalf("it does not end:\n%s", s)
		return nil
	}
}
