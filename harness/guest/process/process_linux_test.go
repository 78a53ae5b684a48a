// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shell runs a script as a Process that is not confined: that needs root and a guest's control
// groups, and solutions/*/wrong has the programs that try to get out.
func shell(t testing.TB, script string) *Process {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("it needs a shell")
	}
	text, end, err := os.Pipe()
	require.NoError(t, err)
	p := &Process{cmd: exec.Command("sh", "-c", script), group: &group{path: t.TempDir()}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = end, end
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, p.cmd.Start())
	end.Close()
	p.PID = p.cmd.Process.Pid
	go p.attend(text)
	t.Cleanup(func() {
		_ = syscall.Kill(-p.PID, syscall.SIGKILL) // and what it started
		<-p.done
	})
	return p
}

func TestLastWords(t *testing.T) {
	for range 50 {
		p := shell(t, "echo first; echo last >&2; exit 3")
		<-p.Done()
		assert.Equal(t, "first\nlast", p.Text())
		assert.Equal(t, "it ended early: exit status 3", p.Trouble())
	}
	p := shell(t, "head -c 100000 /dev/zero | tr '\\0' '\\033'")
	<-p.Done()
	assert.Equal(t, strings.Repeat("?", keepText), p.Text(), "a terminal must not take it for commands")
	assert.Contains(t, p.Trouble(), "it printed more than 64 KiB")

	p = shell(t, "sleep 1000 & echo first; exit 3") // the pipe stays open
	<-p.Done()
	assert.Equal(t, "first", p.Text())
	assert.Equal(t, "it ended early: exit status 3", p.Trouble())
}

func TestStop(t *testing.T) {
	p := shell(t, "while :; do :; done")
	cpu := func() time.Duration {
		d, err := p.CPU()
		require.NoError(t, err)
		return d
	}
	stopped := time.Duration(0)
	for range 5 {
		require.Eventually(t, func() bool { return cpu() > stopped }, 10*time.Second, time.Millisecond, "it does not run")
		require.NoError(t, p.Stop())
		// Its parent hears that it stops a moment before it leaves its CPU: on a busy host, milliseconds.
		require.Eventually(t, func() bool {
			stopped = cpu()
			time.Sleep(20 * time.Millisecond)
			return cpu() == stopped
		}, 10*time.Second, time.Millisecond, "it has not stopped")
		require.NoError(t, p.Continue())
	}
	p.Blame("enough")
	assert.NoError(t, p.Stop(), "it has ended")
	assert.NoError(t, p.Continue())
	assert.Equal(t, "enough", p.Trouble())
}
