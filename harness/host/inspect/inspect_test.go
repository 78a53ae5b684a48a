// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/build"
	"bpflab/harness/host/sandbox"
)

// compiled is an object of testdata.
func compiled(t testing.TB, name string) []byte {
	t.Helper()
	b := build.Builder{Cache: t.TempDir(), Sandbox: sandbox.Auto}
	raw, _, err := b.InPlace(t.Context(), filepath.Join("testdata", name), "", nil)
	require.NoError(t, err)
	return raw
}

func inspected(t *testing.T, name string) Object {
	t.Helper()
	o, err := Read(t.Context(), sandbox.Auto, compiled(t, name))
	require.NoError(t, err)
	require.Empty(t, o.Broken)
	return o
}

func program(t *testing.T, o Object, name string) Program {
	t.Helper()
	for _, p := range o.Programs {
		if p.Name == name {
			return p
		}
	}
	require.Fail(t, "no program "+name)
	return Program{}
}

func TestRead(t *testing.T) {
	o := inspected(t, "programs.bpf.c")
	assert.True(t, o.BTF)
	maps := map[string]Map{}
	for _, m := range o.Maps {
		maps[m.Name] = m
	}
	assert.Equal(t, Map{Name: "percpu", Type: "PerCPUArray", Entries: 16, OneCPU: 128, ManyCPUs: 32 * 128, Preallocated: true}, maps["percpu"])
	assert.Equal(t, Map{Name: "hash", Type: "Hash", Entries: 100, OneCPU: 9600, ManyCPUs: 9600, Preallocated: true}, maps["hash"])
	assert.Equal(t, Map{Name: "grows", Type: "Hash", Entries: 100, OneCPU: 9600, ManyCPUs: 9600, Untyped: true}, maps["grows"])
	assert.True(t, maps[".bss"].Global)
	assert.True(t, maps["ring"].Unsized)
	assert.Equal(t, Map{Name: "events", Type: "PerfEventArray", OneCPU: 8, ManyCPUs: 256}, maps["events"])

	alone := program(t, o, "own")
	assert.Equal(t, "XDP", alone.Type)
	assert.Equal(t, "GPL", alone.License)
	assert.Equal(t, []string{"percpu"}, alone.Maps)
	assert.True(t, alone.Function)
	assert.True(t, alone.Lines)
	assert.Equal(t, 1, alone.MapOps.Most)
	assert.Greater(t, alone.Path.Most, 8)
	assert.Equal(t, [3]int{}, [3]int{alone.Contended.Sites, alone.Keyed.Sites, alone.Rings.Sites})
	assert.Equal(t, "bpf_map_lookup_elem", alone.Helpers[0].Name)
	assert.Zero(t, alone.Tails)

	global := program(t, o, "global")
	assert.Equal(t, 2, global.Contended.Most)
	assert.Equal(t, Place{File: "programs.bpf.c", Line: global.Contended.Places[0].Line, Text: "__sync_fetch_and_add(&total, 1);", What: ".bss"}, global.Contended.Places[0])

	keyed := program(t, o, "keyed")
	assert.Equal(t, 1, keyed.Keyed.Most)
	assert.Zero(t, keyed.Contended.Sites)
	single := program(t, o, "single")
	assert.Equal(t, 1, single.Contended.Most, "an array of one entry")
	queued := program(t, o, "queued")
	assert.Equal(t, 1, queued.Contended.Most, "a queue has one lock")
	assert.Equal(t, 1, program(t, o, "ringed").Rings.Most)

	looped := program(t, o, "looped")
	assert.Contains(t, looped.MapOps.Bound, "the longest path of a loop has no static bound")
	assert.Equal(t, 1, looped.MapOps.Sites)

	called := program(t, o, "called")
	assert.Equal(t, 1, called.Tails.Sites)
	assert.True(t, called.Tails.InFunction)
	assert.Zero(t, called.Tails.Depth, "the object does not say what is in the array")
	assert.Equal(t, 1, program(t, o, "chained").Tails.Depth)
	assert.False(t, program(t, o, "chained").Tails.InFunction)
	assert.Equal(t, Endless, program(t, o, "circles").Tails.Depth)

	assert.Len(t, program(t, o, "fixed").Fixed, 1)
	relocated := program(t, o, "relocated")
	assert.Empty(t, relocated.Fixed)
	assert.Positive(t, relocated.Relocations)
}

// Programs that call each other up to a depth, each of two next ones: what is known is not looked for again.
func TestDepth(t *testing.T) {
	const n = 40
	spec := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{}}
	for i := range n {
		insns := asm.Instructions{asm.LoadMapPtr(asm.R2, 0).WithReference(fmt.Sprint("next", i)), asm.FnTailCall.Call(), asm.Return()}
		m := &ebpf.MapSpec{Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 2}
		for k := i + 1; k < min(i+3, n); k++ {
			m.Contents = append(m.Contents, ebpf.MapKV{Key: uint32(k), Value: fmt.Sprint("p", k)})
		}
		if i == n-1 {
			insns = asm.Instructions{asm.Return()}
		}
		spec.Maps[fmt.Sprint("next", i)] = m
		spec.Programs[fmt.Sprint("p", i)] = &ebpf.ProgramSpec{Name: fmt.Sprint("p", i), Instructions: insns}
	}
	assert.Equal(t, n-1, depth(spec, "p0"))
	assert.Equal(t, 0, depth(spec, fmt.Sprint("p", n-1)))
	delete(spec.Programs, "p20")
	assert.Equal(t, 0, depth(spec, "p0"), "it is not known what stands at one place")
}

// What cannot be read is the object's fault, and is said.
func TestReadBroken(t *testing.T) {
	raw := compiled(t, "programs.bpf.c")
	for name, elf := range map[string][]byte{"nothing": nil, "text": []byte("hello"), "cut off": raw[:len(raw)/2]} {
		o, err := Read(t.Context(), sandbox.Auto, elf)
		require.NoError(t, err, name)
		assert.NotEmpty(t, o.Broken, name)
		assert.Empty(t, o.Programs, name)
	}
}

// An object whose reader takes more than it may is not read on.
func TestReadLimits(t *testing.T) {
	was := limits
	t.Cleanup(func() { limits = was })
	limits.Data = 1 << 20
	o, err := Read(t.Context(), sandbox.Auto, compiled(t, "programs.bpf.c"))
	require.NoError(t, err)
	assert.Contains(t, o.Broken, "reading it")
}

// Whatever an object holds, it is read or broken.
func FuzzRead(f *testing.F) {
	seed, err := os.ReadFile("../policy/testdata/seed.o")
	require.NoError(f, err)
	f.Add(seed)
	f.Add(compiled(f, "programs.bpf.c"))
	f.Fuzz(func(t *testing.T, elf []byte) {
		if len(elf) > 1<<16 { // what is large is bounded by the process that reads it
			t.Skip()
		}
		o := read(elf)
		if o.Broken != "" {
			assert.Empty(t, o.Programs)
		}
	})
}
