// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/guest/guesttest"
)

// The test's own binary is the program that is confined: a guest has no other.
func TestMain(m *testing.M) {
	if os.Args[0] != "program" {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "prints":
		fmt.Println("uid", os.Getuid(), "pid", os.Getpid())
		os.Exit(3)
	case "looks":
		_, err := os.ReadDir("/")
		_, mkdirErr := os.Create("/file")
		_, dialErr := net.Dial("udp", "127.0.0.1:1")
		fmt.Println(err, "|", mkdirErr, "|", dialErr)
	case "takes":
		for all := [][]byte{}; ; all = append(all, bytes.Repeat([]byte{1}, 1<<20)) {
			kept = all
		}
	case "forks":
		_, _, err := syscall.RawSyscall(syscall.SYS_FORK, 0, 0, 0)
		fmt.Println(err)
	case "spins":
		for n := byte(0); ; n++ {
			spun = n
		}
	}
}

// What the program takes and does, or a compiler would leave it out.
var (
	kept [][]byte
	spun byte
)

// start starts the test's binary as a stranger's program.
func start(t *testing.T, args ...string) *Process {
	t.Helper()
	guesttest.Guest(t)
	self, err := os.Executable()
	require.NoError(t, err)
	p, err := Start(self, args)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

// A program is nobody, alone, and has no file, no network and no other process.
func TestStart(t *testing.T) {
	p := start(t, "prints")
	<-p.Done()
	assert.Equal(t, "uid 65534 pid 1", p.Text())
	assert.Equal(t, "it ended early: exit status 3", p.Trouble())

	p = start(t, "looks")
	<-p.Done()
	assert.Equal(t, "readdirent /: operation not permitted | open /file: permission denied | dial udp 127.0.0.1:1: socket: operation not permitted", p.Text())

	p = start(t, "forks")
	<-p.Done()
	assert.Equal(t, "it tried to start another process", p.Trouble())

	p = start(t, "takes")
	<-p.Done()
	assert.Contains(t, p.Trouble(), "MiB of memory")
	require.NoError(t, Possible())
}

func TestStopConfined(t *testing.T) {
	p := start(t, "spins")
	cpu := func() time.Duration {
		d, err := p.CPU()
		require.NoError(t, err)
		return d
	}
	require.Eventually(t, func() bool { return cpu() > 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, p.Stop())
	before := cpu()
	time.Sleep(50 * time.Millisecond)
	assert.Equal(t, before, cpu())
	require.NoError(t, p.Continue())
	require.Eventually(t, func() bool { return cpu() > before }, 10*time.Second, time.Millisecond)
	assert.Empty(t, p.Trouble())
	p.Close()
	assert.Empty(t, p.Trouble(), "it was told to end")
}
