// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/guesttest"
	"bpflab/harness/guest/netlab"
	"bpflab/harness/guest/send"
	"bpflab/harness/traffic"
)

func TestOnTwoCPUs(t *testing.T) {
	guesttest.Root(t)
	if _, err := twoCPUs(); err != nil {
		t.Skip(err)
	}
	var mu sync.Mutex
	on, met := map[int]int{}, atomic.Int32{}
	require.NoError(t, OnTwoCPUs(func(i int) error {
		met.Add(1)
		for met.Load() < 2 { // both run at once
		}
		mu.Lock()
		defer mu.Unlock()
		on[i] = currentCPU(t)
		return nil
	}))
	require.Len(t, on, 2)
	assert.NotEqual(t, on[0], on[1])

	failed := errors.New("failed")
	assert.ErrorIs(t, OnTwoCPUs(func(i int) error {
		if i == 1 {
			return failed
		}
		return nil
	}), failed)
}

// currentCPU is field 39 of the thread's stat.
func currentCPU(t *testing.T) int {
	stat, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(unix.Gettid()) + "/stat")
	require.NoError(t, err)
	cpu, err := strconv.Atoi(strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[36])
	require.NoError(t, err)
	return cpu
}

// Every frame that is sent is received, and each batch has its time.
func TestPerFrame(t *testing.T) {
	guesttest.Root(t)
	pair, err := netlab.New(1)
	require.NoError(t, err)
	defer func() { assert.NoError(t, pair.Close()) }()
	sender, err := send.New(pair.Sender, traffic.Mix(1, traffic.Listed))
	require.NoError(t, err)
	defer func() { assert.NoError(t, sender.Close()) }()
	c, err := ebpf.NewCollection(guesttest.Counter("xdp", ebpf.XDP, "", 1)) // drops
	require.NoError(t, err)
	defer c.Close()

	const frames = 3 * traffic.Listed
	sent, err := Send(pair, sender, c.Programs["count"], frames)
	require.NoError(t, err)
	assert.Equal(t, frames, sent.Frames)
	assert.Equal(t, uint64(frames), guesttest.Count(t, c))
	assert.InDelta(t, frames/traffic.Batch, len(sent.Batches), 4, "the first may be left out")
	timing, err := PerFrame(pair, sender, c.Programs["count"], frames)
	require.NoError(t, err)
	assert.Positive(t, timing.Typical)
	assert.GreaterOrEqual(t, timing.Mean, timing.Typical)
	assert.Equal(t, uint64(2*frames), guesttest.Count(t, c))
}
