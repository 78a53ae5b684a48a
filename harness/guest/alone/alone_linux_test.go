// SPDX-License-Identifier: Apache-2.0

package alone

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/guest/guesttest"
	"bpflab/harness/verifier"
)

// uses returns a program that looks at the address of maps.
func uses(section string, kind ebpf.ProgramType, maps ...string) *ebpf.ProgramSpec {
	var insns asm.Instructions
	for _, m := range maps {
		insns = append(insns, asm.LoadMapPtr(asm.R1, 0).WithReference(m))
	}
	return &ebpf.ProgramSpec{Name: "p", SectionName: section, Type: kind, License: "GPL", Instructions: append(insns, asm.Mov.Imm(asm.R0, 0), asm.Return())}
}

// object has two programs, and maps as a loader is to complete them.
func object() *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{
			"sized":   {Name: "sized", Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 7, Pinning: ebpf.PinByName},
			"unsized": {Name: "unsized", Type: ebpf.Hash, KeySize: 4, ValueSize: 4},
			"ring":    {Name: "ring", Type: ebpf.RingBuf},
			"perf":    {Name: "perf", Type: ebpf.PerfEventArray, KeySize: 4, ValueSize: 4},
			"calls":   {Name: "calls", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1, Contents: []ebpf.MapKV{{Key: uint32(0), Value: "b"}}},
			"outer": {
				Name: "outer", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1,
				InnerMap: &ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 4, Pinning: ebpf.PinByName}, Contents: []ebpf.MapKV{{Key: uint32(0), Value: "unsized"}},
			},
			"traces": {Name: "traces", Type: ebpf.StackTrace, KeySize: 4, MaxEntries: 8},
			".bss":   {Name: ".bss", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1},
			"other":  {Name: "other", Type: ebpf.Array, KeySize: 4, ValueSize: 1 << 30, MaxEntries: 1},
		},
		Variables: map[string]*ebpf.VariableSpec{"x": {Name: "x", SectionName: ".bss", Value: make([]byte, 4)}},
		Programs: map[string]*ebpf.ProgramSpec{
			"a": uses("xdp", ebpf.XDP, "sized", "ring", "perf", "calls", "outer", "traces"),
			"b": uses("xdp", ebpf.XDP, "other", ".bss"),
		},
	}
}

func TestSpec(t *testing.T) {
	whole := object()
	one, err := Spec(whole, "a")
	require.NoError(t, err)
	assert.Len(t, one.Programs, 1)
	assert.Contains(t, one.Programs, "a")
	assert.Len(t, one.Maps, 7, "those that it uses, and what is in them")
	assert.Empty(t, one.Variables, "the section of x is of no use to it")
	assert.EqualValues(t, 1016, one.Maps["traces"].ValueSize)
	assert.NotContains(t, one.Maps, "other")
	assert.EqualValues(t, 7, one.Maps["sized"].MaxEntries)
	assert.EqualValues(t, 1, one.Maps["unsized"].MaxEntries)
	assert.EqualValues(t, 1, one.Maps["outer"].InnerMap.MaxEntries)
	assert.Equal(t, ebpf.PinNone, one.Maps["outer"].InnerMap.Pinning)
	assert.Equal(t, ebpf.PinNone, one.Maps["sized"].Pinning)
	assert.Empty(t, one.Maps["calls"].Contents)
	assert.Zero(t, one.Maps["perf"].MaxEntries, "as many as there are CPUs")
	assert.Equal(t, object(), whole, "the object stays as it is")

	other, err := Spec(whole, "b")
	require.NoError(t, err)
	assert.Contains(t, other.Variables, "x")
}

// What was completed loads, though the object's other map is impossible.
func TestSpecLoads(t *testing.T) {
	guesttest.Root(t)
	one, err := Spec(object(), "a")
	require.NoError(t, err)
	c, report, err := verifier.Load(one)
	require.NoError(t, err)
	require.True(t, report.Accepted, report.Message)
	c.Close()
}

func TestLacks(t *testing.T) {
	for section, want := range map[string]string{
		"myprog": "names no type of program", "freplace/f": "replaces a function of another program", "usdt/libc.so:libc:malloc": "a probe in a program of user space",
	} {
		kind := map[string]ebpf.ProgramType{"freplace/f": ebpf.Extension, "usdt/libc.so:libc:malloc": ebpf.Kprobe}[section]
		_, err := Spec(&ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"p": uses(section, kind)}}, "p")
		assert.ErrorIs(t, err, ErrLacks)
		assert.ErrorContains(t, err, want)
	}
	_, err := Spec(object(), "none")
	assert.EqualError(t, err, `the object holds no program "none"`)
}
