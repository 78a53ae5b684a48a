// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/build"
	"bpflab/harness/job"
)

const source = `#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
enum colour { RED, GREEN };
struct inner { __s8 low; bool on; };
struct value {
	__u64 n;
	int below;
	char name[8];
	struct inner in;
	__u16 list[3];
	enum colour c;
	void *p;
	unsigned three : 3, five : 5;
};
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); __type(key, __u32); __type(value, struct value); } values SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 65536); } events SEC(".maps");
const volatile __u32 verdict = 3;
__u64 dropped;
static volatile int mine = -5;
SEC("xdp") int f(void *ctx)
{
	__u32 zero = 0;

	bpf_printk("verdict %d", verdict);
	dropped++;
	mine++;
	return bpf_map_lookup_elem(&values, &zero) ? verdict : bpf_map_lookup_elem(&events, &zero) != 0;
}
char _license[] SEC("license") = "GPL";
`

func compiled(t *testing.T) *ebpf.CollectionSpec {
	t.Helper()
	file := filepath.Join(t.TempDir(), "f.bpf.c")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o644))
	object, err := build.Compile(t.Context(), t.TempDir(), file)
	require.NoError(t, err)
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object.ELF))
	require.NoError(t, err)
	return spec
}

// value is a struct value as it lies in memory.
var value = append([]byte{
	7, 0, 0, 0, 0, 0, 0, 1,
	0xfe, 0xff, 0xff, 0xff,
	'n', 'a', 'm', 'e', 0, 'x', 'x', 'x',
	0x80, 1,
	1, 0, 2, 0, 3, 1, // list
	1, 0, 0, 0, // c
	0x10, 0, 0, 0, 0, 0, 0, 0x20, // p
	0xfd}, make([]byte, 7)...)

func TestRead(t *testing.T) {
	spec := compiled(t)
	require.Len(t, value, int(spec.Maps["values"].ValueSize))
	section := func(name string) []byte { return make([]byte, spec.Maps[name].ValueSize) }
	rodata, data := section(".rodata"), section(".data")
	rodata[spec.Variables["verdict"].Offset] = 3
	copy(data, []byte{0xfb, 0xff, 0xff, 0xff})
	h := Read(spec, []job.Map{
		{Name: ".bss"}, // all zero
		{Name: ".data", Entries: []job.Entry{{Key: make([]byte, 4), Values: [][]byte{data}}}},
		{Name: ".rodata", Entries: []job.Entry{{Key: make([]byte, 4), Values: [][]byte{rodata}}}},
		{Name: "values", More: true, Entries: []job.Entry{{Key: []byte{4, 1, 0, 0}, Values: [][]byte{value, value[:5]}}}},
		{Name: "of no object", Entries: []job.Entry{{}}},
	})
	assert.Equal(t, []Variable{{"dropped", uint64(0)}, {"mine", int64(-5)}, {"verdict", uint64(3)}}, h.Variables, "and no formats of bpf_printk")
	require.Len(t, h.Maps, 1)
	m := h.Maps[0]
	assert.Equal(t, "values, Hash, more", m.Name+", "+m.Type+map[bool]string{true: ", more"}[m.More])
	require.Len(t, m.Entries, 1)
	assert.Equal(t, uint64(260), m.Entries[0].Key)
	want := Struct{
		{"n", uint64(1<<56 + 7)}, {"below", int64(-2)}, {"name", "name"},
		{"in", Struct{{"low", int64(-128)}, {"on", true}}},
		{"list", []any{uint64(1), uint64(2), uint64(259)}},
		{"c", uint64(1)}, {"p", Hex("0x2000000000000010")}, {"three", uint64(5)}, {"five", uint64(31)},
	}
	assert.Equal(t, []any{want, Hex("0x0700000000")}, m.Entries[0].Values, "what is too short is spelt in hex")
	assert.Equal(t, `n 72057594037927943, below -2, name "name", in {low -128, on true}, list [1, 2, 259], c 1, p 0x2000000000000010, three 5, five 31`, spell(want))
	text, err := json.Marshal(want)
	require.NoError(t, err)
	assert.JSONEq(t, `{"n": 72057594037927943, "below": -2, "name": "name", "in": {"low": -128, "on": true}, "list": [1, 2, 259],
		"c": 1, "p": "0x2000000000000010", "three": 5, "five": 31}`, string(text))
}

// A guest that says too little, or nothing that an object has, is no trouble; nor are types that no compiler makes.
func TestReadAnything(t *testing.T) {
	spec := compiled(t)
	for _, m := range []job.Map{
		{Name: ".bss", More: true}, {Name: ".bss", Entries: []job.Entry{{}}}, {Name: "values", Entries: []job.Entry{{}}},
		{Name: ".data", Entries: []job.Entry{{Values: [][]byte{{1}}}}}, {Name: "values", Entries: []job.Entry{{Values: [][]byte{nil}}}},
		{Name: "events", Entries: []job.Entry{{Key: []byte{1}, Values: [][]byte{{1}}}}},
	} {
		assert.NotPanics(t, func() { Read(spec, []job.Map{m}) }, "%+v", m)
		assert.Empty(t, Read(spec, []job.Map{m}).Variables, "nothing is made up: %+v", m)
	}

	byte1 := &btf.Int{Name: "u8", Size: 1}
	var deep btf.Type = byte1
	for range 10 { // members that overlap: 64^10 of them
		s := &btf.Struct{Size: 1}
		for range 64 {
			s.Members = append(s.Members, btf.Member{Name: "m", Type: deep})
		}
		deep = s
	}
	for name, odd := range map[string]btf.Type{
		"nested": deep, "nothing": nil, "void": &btf.Void{}, "wide": &btf.Int{Size: 200}, "no size": &btf.Int{},
		"of nothing":   &btf.Array{Type: &btf.Struct{}, Nelems: 1 << 31},
		"large":        &btf.Array{Type: byte1, Nelems: 1 << 31},
		"beyond":       &btf.Struct{Size: 4, Members: []btf.Member{{Name: "m", Type: byte1, Offset: 1 << 20}}},
		"across":       &btf.Struct{Size: 4, Members: []btf.Member{{Name: "m", Type: &btf.Int{Size: 8}, Offset: 8}}},
		"wide field":   &btf.Struct{Size: 4, Members: []btf.Member{{Name: "m", Type: byte1, BitfieldSize: 200}}},
		"odd field":    &btf.Struct{Size: 4, Members: []btf.Member{{Name: "m", Type: &btf.Void{}, BitfieldSize: 3}}},
		"union":        &btf.Union{Size: 4},
		"many members": &btf.Struct{Size: 1, Members: make([]btf.Member, 1000)},
	} {
		assert.NotPanics(t, func() {
			r := &reader{left: maxValues}
			_ = spell(r.read(odd, make([]byte, 200), 0))
		}, name)
	}
	assert.Equal(t, []any{uint64(0), uint64(0)}, (&reader{left: 9}).read(&btf.Array{Type: byte1, Nelems: 2}, make([]byte, 2), 0))
	long := (&reader{left: maxValues}).read(&btf.Array{Type: byte1, Nelems: 100}, make([]byte, 100), 0)
	assert.Len(t, long, maxItems+1)
}

// A guest says what it likes of the maps of a real object.
func FuzzRead(f *testing.F) {
	file := filepath.Join(f.TempDir(), "f.bpf.c")
	require.NoError(f, os.WriteFile(file, []byte(source), 0o644))
	object, err := build.Compile(f.Context(), f.TempDir(), file)
	require.NoError(f, err)
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object.ELF))
	require.NoError(f, err)
	f.Add("values", []byte{4, 1, 0, 0}, value)
	f.Add(".data", []byte{}, []byte{1})
	f.Fuzz(func(t *testing.T, name string, key, value []byte) {
		r := Run{Held: Read(spec, []job.Map{{Name: name, Entries: []job.Entry{{Key: key, Values: [][]byte{value, value}}}}})}
		var text bytes.Buffer
		require.NoError(t, r.Text(&text, 0))
		for line := range strings.Lines(text.String()) {
			assert.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), maxLine)
			assert.Equal(t, -1, strings.IndexFunc(line, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 }), "%q", line)
		}
		require.NoError(t, r.JSON(&text))
	})
}
