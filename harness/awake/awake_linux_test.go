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
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
	})
	policy, err := unix.SchedGetAttr(pid, 0)
	require.NoError(t, err)
	assert.EqualValues(t, 5, policy.Policy, "SCHED_IDLE")

	for range 20 {
		before := ran(t, pid)
		assert.Eventually(t, func() bool { return ran(t, pid) > before }, 10*time.Second, time.Millisecond, "it does not run")
		resume := Alone()
		assert.Equal(t, "T", state(t, pid))
		stopped := ran(t, pid)
		runtime.Gosched()
		assert.Equal(t, stopped, ran(t, pid))
		resume()
		assert.NotEqual(t, "T", state(t, pid))
	}
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
