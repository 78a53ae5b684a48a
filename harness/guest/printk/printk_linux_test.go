// SPDX-License-Identifier: Apache-2.0

package printk

import (
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/guesttest"
	"bpflab/harness/job"
)

// printer is a program that prints, by a format with one number, which is 7.
func printer(t *testing.T, format string) *ebpf.Program {
	t.Helper()
	text := append([]byte(format), make([]byte, 8-len(format)%8)...) // ends with a NUL
	require.LessOrEqual(t, len(text), 64)
	insns := asm.Instructions{}
	for i := 0; i < len(text); i += 8 {
		word := int64(0)
		for n := range 8 {
			word |= int64(text[i+n]) << (8 * n)
		}
		insns = append(insns, asm.LoadImm(asm.R1, word, asm.DWord), asm.StoreMem(asm.RFP, int16(i-64), asm.R1, asm.DWord))
	}
	insns = append(insns,
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -64),
		asm.Mov.Imm(asm.R2, int32(len(format)+1)), asm.Mov.Imm(asm.R3, 7),
		asm.FnTracePrintk.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return(),
	)
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: insns})
	require.NoError(t, err)
	t.Cleanup(func() { prog.Close() })
	return prog
}

func run(t *testing.T, prog *ebpf.Program, times int) {
	t.Helper()
	_, err := prog.Run(&ebpf.RunOptions{Data: make([]byte, 64), Repeat: uint32(times)})
	require.NoError(t, err)
}

func TestBetween(t *testing.T) {
	guesttest.Guest(t)
	log, err := Open()
	require.NoError(t, err)
	defer log.Close()

	one, two := printer(t, "one %d"), printer(t, "two\nand %d\n")
	during := func(f func()) (began, ended int64) {
		began = Moment()
		f()
		return began, Moment()
	}
	run(t, one, 1) // before
	began, ended := during(func() {})
	got, err := log.Between(began, ended, nil)
	require.NoError(t, err)
	assert.Empty(t, got, "nothing was printed")

	run(t, one, 2)
	began, ended = during(func() { run(t, one, 1); run(t, two, 1) })
	run(t, one, 3)
	got, err = log.Between(began, ended, nil)
	require.NoError(t, err)
	assert.Equal(t, job.Printed{Lines: []string{"one 7", "two", "and 7"}}, got)

	began, ended = during(func() { run(t, one, maxLines/2+1); run(t, two, maxLines/2) })
	got, err = log.Between(began, ended, nil)
	require.NoError(t, err)
	require.Len(t, got.Lines, maxLines)
	assert.Equal(t, maxLines/2+1+2*(maxLines/2)-maxLines, got.More)

	began, ended = during(func() { run(t, one, 10_000) }) // more than there is room for
	got, err = log.Between(began, ended, nil)
	require.NoError(t, err)
	assert.Len(t, got.Lines, maxLines)
	assert.Equal(t, 10_000-maxLines, got.More, "those that the kernel has lost as well")
}

// Only what certain threads print is returned, if that is wanted: one may print at each system call.
func TestBetweenBy(t *testing.T) {
	guesttest.Guest(t)
	log, err := Open()
	require.NoError(t, err)
	defer log.Close()
	one := printer(t, "one %d")
	thread := 0
	began := Moment()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		thread = unix.Gettid()
		_, err := one.Run(&ebpf.RunOptions{Data: make([]byte, 64)})
		done <- err
	}()
	require.NoError(t, <-done)
	var asked []int
	got, err := log.Between(began, Moment(), func(by int) bool { asked = append(asked, by); return false })
	require.NoError(t, err)
	assert.Equal(t, []int{thread}, asked)
	assert.Empty(t, got)
}

// A line's time and thread are found whatever the thread is called.
func TestHead(t *testing.T) {
	for line, want := range map[string][]string{
		"           agent-1       [000] d..31     3.123456: bpf_trace_printk: protocol 17":     {"1", "3", "123456", "protocol 17"},
		"           <...>-137     [001] .... 12345.000001: bpf_trace_printk: ":                 {"137", "12345", "000001", ""},
		"  a-9 [0] 1.1: b-77      [000] d...2     0.999999: bpf_trace_printk: a-9 [0] x: y: z": {"77", "0", "999999", "a-9 [0] x: y: z"},
		"           agent-1       [000] d..31     3.123456: sys_enter: NR 1":                   nil,
		"protocol 17": nil,
		"-1 [000] d..31 3.123456: bpf_trace_printk: no name": nil,
	} {
		m := head.FindSubmatch([]byte(line))
		if want == nil {
			assert.Nil(t, m, line)
			continue
		}
		require.NotNil(t, m, line)
		assert.Equal(t, want, []string{string(m[1]), string(m[2]), string(m[3]), strings.TrimPrefix(line, string(m[0]))})
	}
	assert.EqualValues(t, 3_123_456_000, moment([]byte("3"), []byte("123456")))
	assert.Zero(t, moment([]byte("99999999999999999999"), []byte("123456")))
}
