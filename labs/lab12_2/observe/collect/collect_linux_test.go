// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/guest/guesttest"
	"bpflab/harness/guest/ring"
	"bpflab/labs/lab12_2/consumer"
)

// What the test's own binary does as a consumer is told by the size of its ring.
const (
	reports = 4 << 10 // three events, each as soon as it is there
	floods  = 8 << 10
	ends    = 16 << 10
)

func TestMain(m *testing.M) {
	if os.Args[0] != "program" {
		os.Exit(m.Run())
	}
	consumer.Main(func(ctx context.Context, r *ring.Ring, out *consumer.Out) error {
		switch r.Size() {
		case reports:
			for i := range uint32(3) {
				out.Event(&consumer.Event{PID: i + 1})
				out.Flush()
				time.Sleep(time.Millisecond)
			}
		case floods:
			for ctx.Err() == nil {
				out.Event(&consumer.Event{})
			}
		case ends:
			out.Event(&consumer.Event{PID: 7})
			return errors.New("enough")
		}
		<-ctx.Done()
		return nil
	})
}

func start(t *testing.T, size uint32) *Collector {
	t.Helper()
	guesttest.Guest(t)
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: size})
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	self, err := os.Executable()
	require.NoError(t, err)
	c, err := Start(self, m)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestCollect(t *testing.T) {
	c := start(t, reports)
	c.Wait(4, time.Second)
	require.Equal(t, 4, c.Len(), "the first says that it is up")
	assert.Equal(t, []consumer.Event{{PID: 1}, {PID: 2}, {PID: 3}}, c.Events(1))
	assert.Len(t, c.Raw(2), 2*consumer.Size)
	assert.Empty(t, c.Raw(9))
	assert.Positive(t, c.Arrived(1))
	assert.LessOrEqual(t, c.Arrived(1), c.Arrived(2))
	assert.LessOrEqual(t, c.Arrived(2), c.Arrived(3))
	assert.Zero(t, c.Arrived(4))
	assert.Empty(t, c.Inspect())

	began := time.Now()
	c.Wait(5, 20*time.Millisecond)
	assert.GreaterOrEqual(t, time.Since(began), 20*time.Millisecond, "nothing more comes")
}

// Whatever a consumer reports, it is held in bounds, and its last words are heard.
func TestTrouble(t *testing.T) {
	c := start(t, floods)
	c.Wait(1<<30, time.Second)
	assert.Equal(t, maxReports/consumer.Size, c.Len())
	assert.Contains(t, c.Inspect(), "it reported more than")

	c = start(t, ends)
	c.Wait(3, time.Second)
	assert.Equal(t, []consumer.Event{{PID: 7}}, c.Events(1))
	<-c.Done() // its pipe ends a moment before it does
	assert.Equal(t, "it ended early: exit status 1", c.Inspect())
	assert.Equal(t, "consumer: enough", c.Text())
}
