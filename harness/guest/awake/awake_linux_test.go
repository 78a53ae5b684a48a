// SPDX-License-Identifier: Apache-2.0

package awake

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestAlone(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("awake.Start is for guests, which are amd64")
	}
	Alone()() // there is nobody else, and nothing to stop

	require.NoError(t, Start())
	pid := spinner
	t.Cleanup(func() {
		spinner = 0
		end(pid)
	})
	// Its end, if the test's own should not come to Cleanup.
	require.NoError(t, unix.Prlimit(pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: 60, Max: 60}, nil))
	policy, err := unix.SchedGetAttr(pid, 0)
	require.NoError(t, err)
	assert.EqualValues(t, unix.SCHED_IDLE, policy.Policy)

	runs := func(since int64) bool {
		return assert.Eventually(t, func() bool { return ran(t, pid) > since }, 10*time.Second, time.Millisecond, "it does not run")
	}
	runs(0)
	for range 5 {
		resume := Alone()
		assert.Equal(t, "T", state(t, pid))
		assert.Panics(t, func() { Alone() }, "it would wait without end")
		stopped := ran(t, pid)
		time.Sleep(20 * time.Millisecond) // some ticks, at which a kernel counts
		assert.Equal(t, stopped, ran(t, pid))
		resume()
		runs(stopped)
	}
}

func TestParseHalted(t *testing.T) {
	for _, tt := range []struct {
		stat   string
		halted time.Duration
		cpus   int
		bad    bool
	}{
		{"cpu  1 2 3 40 5 6 7\ncpu0 1 2 3 40 5 6 7\nintr 1\n", 450 * time.Millisecond, 1, false},
		{"cpu  1 2 3 0 0 0 0\ncpu0 1 0 0 0 0 0 0\ncpu2 0 2 3 0 0 0 0\n", 0, 2, false},
		{"cpu  1 2\n", 0, 0, true},
		{"", 0, 0, true},
	} {
		halted, cpus, err := parseHalted(tt.stat)
		assert.Equal(t, tt.bad, err != nil, "%q: %v", tt.stat, err)
		assert.Equal(t, tt.halted, halted)
		assert.Equal(t, tt.cpus, cpus)
	}
}

// Without a spinner that one halts says nothing.
func TestWatch(t *testing.T) {
	check, err := Watch()
	require.NoError(t, err)
	assert.NoError(t, check())

	assert.NoError(t, tooLong(10*time.Millisecond), "it may be a moment")
	assert.EqualError(t, tooLong(20*time.Millisecond), "the guest halted for 20ms: its clock may have been moved too far")
}

// state is what a process is at: R, T, ….
func state(t testing.TB, pid int) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	_, after, _ := strings.Cut(string(stat), ") ")
	return after[:1]
}

// ran is how long a process has run, ns.
func ran(t testing.TB, pid int) (ns int64) {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	require.NoError(t, err)
	_, err = fmt.Sscan(string(stat), &ns)
	require.NoError(t, err)
	return ns
}
