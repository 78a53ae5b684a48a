// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/guesttest"
	"bpflab/harness/guest/netlab"
)

func load(t *testing.T, spec *ebpf.CollectionSpec) *ebpf.Collection {
	t.Helper()
	c, err := ebpf.NewCollection(spec)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// A program runs from the time that it is attached until it is detached, where its section says.
func TestAll(t *testing.T) {
	guesttest.Guest(t) // elsewhere other processes make the same calls
	getpgid := func() {
		for range 3 {
			_, err := unix.Getpgid(0)
			require.NoError(t, err)
		}
	}
	for _, tt := range []struct {
		section, to string
		kind        ebpf.ProgramType
		more        bool // other threads make it run as well
	}{
		{"kprobe/__x64_sys_getpgid", "__x64_sys_getpgid", ebpf.Kprobe, false},
		{"?kprobe/__x64_sys_getpgid", "__x64_sys_getpgid", ebpf.Kprobe, false},
		{"ksyscall/getpgid", "getpgid", ebpf.Kprobe, false},
		{"kretsyscall/getpgid", "getpgid", ebpf.Kprobe, false},
		{"kretprobe/__x64_sys_getpgid", "__x64_sys_getpgid", ebpf.Kprobe, false},
		{"tracepoint/syscalls/sys_enter_getpgid", "syscalls/sys_enter_getpgid", ebpf.TracePoint, false},
		{"raw_tp/sys_exit", "sys_exit", ebpf.RawTracepoint, true},
	} {
		t.Run(tt.section, func(t *testing.T) {
			spec := guesttest.Counter(tt.section, tt.kind, tt.to, 0)
			c := load(t, spec)
			getpgid()
			assert.Zero(t, guesttest.Count(t, c))
			l, err := All(c, spec, 0)
			require.NoError(t, err)
			getpgid()
			require.NoError(t, l.Close())
			n := guesttest.Count(t, c)
			if tt.more {
				assert.GreaterOrEqual(t, n, uint64(3))
			} else {
				assert.Equal(t, uint64(3), n)
			}
			getpgid()
			assert.Equal(t, n, guesttest.Count(t, c), "it is detached")
		})
	}
}

func TestAtAnInterface(t *testing.T) {
	guesttest.Root(t)
	for _, tt := range []struct {
		section string
		kind    ebpf.ProgramType
		pass    int32
		at      func(*netlab.Pair) *netlab.End
	}{
		{"xdp", ebpf.XDP, 2, func(p *netlab.Pair) *netlab.End { return p.Receiver }},
		{"tc/ingress", ebpf.SchedCLS, 0, func(p *netlab.Pair) *netlab.End { return p.Receiver }},
		{"tc/egress", ebpf.SchedCLS, 0, func(p *netlab.Pair) *netlab.End { return p.Sender }},
	} {
		t.Run(tt.section, func(t *testing.T) {
			pair, err := netlab.New(1)
			require.NoError(t, err)
			defer func() { assert.NoError(t, pair.Close()) }()
			spec := guesttest.Counter(tt.section, tt.kind, "", tt.pass)
			c, end := load(t, spec), tt.at(pair)
			require.NoError(t, pair.Sender.Do(func() error { return frames(pair, 5) }))
			require.NoError(t, end.Do(func() error {
				l, err := All(c, spec, end.Index)
				if err != nil {
					return err
				}
				if err := pair.Sender.Do(func() error { return frames(pair, 7) }); err != nil {
					return err
				}
				return l.Close()
			}))
			require.NoError(t, pair.Sender.Do(func() error { return frames(pair, 9) }))
			assert.Equal(t, uint64(7), guesttest.Count(t, c))
		})
	}
}

// Two programs at one hook run one after the other, until one has a verdict.
func TestTwoClassifiers(t *testing.T) {
	guesttest.Root(t)
	const unspec, ok = -1, 0 // verdicts of tc
	for _, tt := range []struct {
		first  int32
		second uint64 // how often it runs
	}{{unspec, 7}, {ok, 0}} {
		pair, err := netlab.New(1)
		require.NoError(t, err)
		spec := guesttest.Counter("tc/ingress", ebpf.SchedCLS, "", tt.first)
		other := guesttest.Counter("tc/ingress", ebpf.SchedCLS, "", ok)
		c, d := load(t, spec), load(t, other)
		require.NoError(t, pair.Receiver.Do(func() error {
			first, err := All(c, spec, pair.Receiver.Index)
			if err != nil {
				return err
			}
			second, err := All(d, other, pair.Receiver.Index)
			if err != nil {
				return err
			}
			if err := pair.Sender.Do(func() error { return frames(pair, 7) }); err != nil {
				return err
			}
			return errors.Join(second.Close(), first.Close())
		}))
		assert.Equal(t, uint64(7), guesttest.Count(t, c))
		assert.Equal(t, tt.second, guesttest.Count(t, d))
		require.NoError(t, pair.Close())
	}
}

// frames sends some of a protocol that nobody answers.
func frames(pair *netlab.Pair, n int) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	frame := append(append(append([]byte{}, pair.Receiver.MAC...), pair.Sender.MAC...), 0x88, 0xb5)
	for range n {
		if err := unix.Sendto(fd, append(frame, make([]byte, 50)...), 0, &unix.SockaddrLinklayer{Ifindex: pair.Sender.Index}); err != nil {
			return err
		}
	}
	return nil
}

// What cannot be attached is an error that names the program and its section, and leaves nothing attached.
func TestErrors(t *testing.T) {
	guesttest.Guest(t)
	for _, tt := range []struct {
		section, to string
		kind        ebpf.ProgramType
		want        string
	}{
		{"socket", "", ebpf.SocketFilter, `attach program count, SEC("socket"): expected a kprobe`},
		{"xdp", "", ebpf.XDP, "expected an interface to attach it to, found none"},
		{"kprobe/no_such_function", "no_such_function", ebpf.Kprobe, `SEC("kprobe/no_such_function")`},
	} {
		spec := guesttest.Counter(tt.section, tt.kind, tt.to, 0)
		_, err := All(load(t, spec), spec, 0)
		assert.ErrorContains(t, err, tt.want, tt.section)
	}

	// Of two programs the second cannot be attached: the first is not either.
	spec := guesttest.Counter("kprobe/__x64_sys_getpgid", ebpf.Kprobe, "__x64_sys_getpgid", 0)
	bad := spec.Programs["count"].Copy()
	bad.Name, bad.SectionName, bad.AttachTo = "later", "kprobe/no_such_function", "no_such_function"
	spec.Programs["later"] = bad
	c := load(t, spec)
	_, err := All(c, spec, 0)
	require.Error(t, err)
	_, err = unix.Getpgid(0)
	require.NoError(t, err)
	assert.Zero(t, guesttest.Count(t, c))
}
