// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cilium/ebpf"

	"bpflab/harness/guest/guesttest"
)

func newPair(t *testing.T) *Pair {
	t.Helper()
	guesttest.Root(t)
	pair, err := New(1)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, pair.Close()) })
	return pair
}

// What is sent at one end arrives at the other, as soon as the pair is there; and a sink counts it.
func TestSink(t *testing.T) {
	pair := newPair(t)
	const port, n = 9999, 10
	sink, err := pair.Receiver.Listen(port)
	require.NoError(t, err)
	defer func() { assert.NoError(t, sink.Close()) }()
	require.NoError(t, pair.Sender.Do(func() error {
		c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: pair.Receiver.IP, Port: port})
		if err != nil {
			return err
		}
		defer c.Close()
		for range n {
			if _, err := c.Write([]byte("frame")); err != nil {
				return err
			}
		}
		return nil
	}))
	assert.Eventually(t, func() bool {
		got, err := sink.Received()
		return assert.NoError(t, err) && got == n
	}, 5*time.Second, time.Millisecond)
}

// The driver counts what a program at XDP has seen, and the kernel what the program did with it.
func TestAttach(t *testing.T) {
	pair := newPair(t)
	exceptions, err := CountExceptions()
	require.NoError(t, err)
	defer func() { assert.NoError(t, exceptions.Close()) }()
	const noVerdict = 77
	c, err := ebpf.NewCollection(guesttest.Counter("xdp", ebpf.XDP, "", noVerdict))
	require.NoError(t, err)
	defer c.Close()
	l, err := pair.Receiver.Attach(c.Programs["count"])
	require.NoError(t, err)
	before, err := pair.Receiver.Counters()
	require.NoError(t, err)
	require.NoError(t, pair.Sender.Do(func() error { // ARP asks who has the address
		c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: pair.Receiver.IP, Port: 1})
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("frame"))
		return err
	}))
	require.Eventually(t, func() bool { return guesttest.Count(t, c) > 0 }, 5*time.Second, time.Millisecond)
	n, err := exceptions.Count()
	require.NoError(t, err)
	assert.Positive(t, n, "a verdict that is none")
	seen, err := pair.Receiver.Received()
	require.NoError(t, err)
	assert.Positive(t, seen)
	after, err := pair.Receiver.Counters()
	require.NoError(t, err)
	assert.NotEmpty(t, after.Since(before))
	require.NoError(t, l.Close())
}

// A program is held where it never runs, and nothing is left of the place.
func TestHold(t *testing.T) {
	pair := newPair(t)
	c, err := ebpf.NewCollection(guesttest.Counter("xdp", ebpf.XDP, "", 2))
	require.NoError(t, err)
	defer c.Close()
	for range 2 {
		h, err := pair.Sender.Hold(c.Programs["count"])
		require.NoError(t, err)
		require.NoError(t, h.Close())
	}
	assert.Zero(t, guesttest.Count(t, c))
}

// A thread that was in a namespace is back in its own.
func TestDo(t *testing.T) {
	pair := newPair(t)
	names := func() (all []string) {
		list, err := net.Interfaces()
		require.NoError(t, err)
		for _, i := range list {
			all = append(all, i.Name)
		}
		return all
	}
	home := names()
	for _, end := range pair.ends() {
		var there []string
		require.NoError(t, end.Do(func() error { there = names(); return nil }))
		assert.Contains(t, there, end.Name)
		assert.NotContains(t, home, end.Name)
		assert.ErrorIs(t, end.Do(func() error { return os.ErrInvalid }), os.ErrInvalid)
	}
	assert.Equal(t, home, names())
}
