// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestByAnother(t *testing.T) {
	for range 20 {
		pid, err := ByAnother(Call{Number: unix.SYS_GETPGID}, 1000)
		require.NoError(t, err)
		assert.Greater(t, pid, 1)
	}
	_, err := unix.Wait4(-1, nil, unix.WALL|unix.WNOHANG, nil)
	assert.ErrorIs(t, err, unix.ECHILD, "none is left")
}

func TestNow(t *testing.T) {
	before, now, after := monotonic(t), Now(), monotonic(t)
	assert.LessOrEqual(t, before, now)
	assert.LessOrEqual(t, now, after)
}

func monotonic(t *testing.T) int64 {
	var now unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	return now.Nano()
}

func TestMiddleIsNotMisledByATurn(t *testing.T) {
	took := make([]uint64, 64)
	for i := range took {
		took[i] = 1100 + uint64(i%7)
	}
	took[20], took[41] = 4_000_000, 4_000_000 // a turn of another CPU takes as long as thousands of calls
	assert.InDelta(t, 1103, middle(took), 3)
	assert.EqualValues(t, 4_000_000, took[20], "they stay as they are")
}
