// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const pageSize = 4096

// kernelRing is a ring, and a program that writes into it.
type kernelRing struct {
	*Ring
	prog *ebpf.Program
}

// What a program does with the record that it has reserved.
const (
	submit = iota
	discard
)

// newRing makes a ring of a page. A test that cannot have one is skipped, by name.
func newRing(t *testing.T, size int) *kernelRing {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a ring buffer is a BPF map")
	}
	require.NoError(t, rlimit.RemoveMemlock())
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "ring", Type: ebpf.RingBuf, MaxEntries: uint32(size)})
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EPERM) {
		t.Skipf("needs BPF ring buffers: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })

	// The frame, behind its Ethernet header, is the record: a number, and what becomes of it.
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "write", Type: ebpf.SocketFilter, License: "GPL",
		Instructions: asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1),
			// reserve 16 bytes
			asm.LoadMapPtr(asm.R1, m.FD()),
			asm.Mov.Imm(asm.R2, 16),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnRingbufReserve.Call(),
			asm.Mov.Reg(asm.R7, asm.R0),
			asm.JEq.Imm(asm.R7, 0, "full"),
			// and fill them with the frame
			asm.Mov.Reg(asm.R1, asm.R6),
			asm.Mov.Imm(asm.R2, 0),
			asm.Mov.Reg(asm.R3, asm.R7),
			asm.Mov.Imm(asm.R4, 16),
			asm.FnSkbLoadBytes.Call(),
			asm.LoadMem(asm.R8, asm.R7, 8, asm.DWord),
			asm.Mov.Reg(asm.R1, asm.R7),
			asm.Mov.Imm(asm.R2, 0),
			asm.JEq.Imm(asm.R8, discard, "discard"),
			asm.FnRingbufSubmit.Call(),
			asm.Mov.Imm(asm.R0, 1),
			asm.Return(),
			asm.FnRingbufDiscard.Call().WithSymbol("discard"),
			asm.Mov.Imm(asm.R0, 2),
			asm.Return(),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("full"),
			asm.Return(),
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { p.Close() })
	r, err := Open(m.FD(), size)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, r.Close()) })
	return &kernelRing{r, p}
}

// write has the kernel write a record with a number, and reports whether there was room.
func (r *kernelRing) write(t *testing.T, number, what uint64) bool {
	t.Helper()
	frame := make([]byte, 14+16)
	binary.NativeEndian.PutUint64(frame[14:], number)
	binary.NativeEndian.PutUint64(frame[14+8:], what)
	result, err := r.prog.Run(&ebpf.RunOptions{Data: frame})
	require.NoError(t, err)
	return result != 0
}

func (r *kernelRing) numbers() (list []uint64) {
	r.Read(func(record []byte) {
		if len(record) == 16 {
			list = append(list, binary.NativeEndian.Uint64(record))
		}
	})
	return list
}

// A program may write of what its reader does: reading comes to an end all the same.
func TestReadWhileItIsWritten(t *testing.T) {
	r := newRing(t, pageSize)
	require.True(t, r.write(t, 0, submit))
	require.True(t, r.write(t, 1, submit))
	calls := 0
	r.Read(func([]byte) {
		calls++
		require.Less(t, calls, 10)
		r.write(t, 7, submit)
	})
	assert.Equal(t, 2, calls)
	assert.Equal(t, []uint64{7, 7}, r.numbers(), "written meanwhile")
}

func TestReadInOrder(t *testing.T) {
	r := newRing(t, pageSize)
	assert.Equal(t, pageSize, r.Size())
	assert.Empty(t, r.numbers())
	next := uint64(0)
	for round := range 200 { // many times around
		var want []uint64
		for range 1 + round%7 {
			require.True(t, r.write(t, next, submit))
			want = append(want, next)
			next++
		}
		assert.Equal(t, want, r.numbers())
		assert.Equal(t, r.Produced(), r.Consumed())
	}
	assert.EqualValues(t, next*(HeaderSize+16), r.Produced())
}

func TestDiscardedAreSkipped(t *testing.T) {
	r := newRing(t, pageSize)
	require.True(t, r.write(t, 1, submit))
	require.True(t, r.write(t, 2, discard))
	require.True(t, r.write(t, 3, submit))
	_, flags := r.Header(Next(0, 16))
	assert.EqualValues(t, Discarded, flags)
	assert.Equal(t, []uint64{1, 3}, r.numbers())
}

// What wraps around the end is read in one piece, for the data is mapped twice.
func TestWrapAround(t *testing.T) {
	r := newRing(t, pageSize)
	const each = HeaderSize + 16
	wrapped := false
	for n := uint64(0); n < 2*pageSize/each+2; n++ {
		require.True(t, r.write(t, n, submit))
		start := r.Consumed()&r.Mask + HeaderSize
		wrapped = wrapped || start < pageSize && start+16 > pageSize
		require.Equal(t, []uint64{n}, r.numbers())
	}
	assert.True(t, wrapped)
}

func TestFull(t *testing.T) {
	r := newRing(t, pageSize)
	n := uint64(0)
	for ; r.write(t, n, submit); n++ {
		require.Less(t, n, uint64(pageSize))
	}
	assert.InDelta(t, pageSize/(HeaderSize+16), n, 1)
	r.Release(Next(r.Consumed(), 16))
	assert.True(t, r.write(t, n, submit), "there is room for one again")
	assert.False(t, r.write(t, n, submit))
	got := r.numbers()
	assert.Len(t, got, int(n))
	assert.EqualValues(t, 1, got[0])
}

func TestWait(t *testing.T) {
	r := newRing(t, pageSize)
	began := time.Now()
	require.NoError(t, r.Wait(20*time.Millisecond))
	assert.GreaterOrEqual(t, time.Since(began), 20*time.Millisecond, "nothing is there")

	require.True(t, r.write(t, 1, submit))
	require.NoError(t, r.Wait(-1), "it does not sleep while a record lies ready")
	assert.Equal(t, []uint64{1}, r.numbers())

	written := make(chan struct{})
	go func() {
		defer close(written)
		time.Sleep(20 * time.Millisecond)
		assert.True(t, r.write(t, 2, submit))
	}()
	require.NoError(t, r.Wait(-1))
	<-written // the test run returns a moment after its record is there
	assert.Equal(t, []uint64{2}, r.numbers())
}

func TestWatch(t *testing.T) {
	r := newRing(t, pageSize)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	require.NoError(t, r.Watch(int(read.Fd())))
	require.NoError(t, write.Close())
	require.NoError(t, r.Wait(-1), "its other end is closed")
}

func TestOpenErrors(t *testing.T) {
	for _, size := range []int{-1, 0, 1, 100, pageSize - 1, pageSize + 1, 3 * pageSize} {
		_, err := Open(-1, size)
		assert.ErrorContains(t, err, "expected a size that is a power of two and a page at least", size)
	}
	_, err := Open(-1, pageSize)
	assert.ErrorContains(t, err, "map a ring of 4096 bytes")
}

func TestNext(t *testing.T) {
	for size, want := range map[uint32]uint64{0: 8, 1: 16, 8: 16, 9: 24, 16: 24, 32: 40} {
		assert.Equal(t, 1000+want, Next(1000, size), size)
	}
}
