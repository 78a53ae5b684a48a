// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/build"
)

// counter is the policy of lab12_1.
var counter = Policy{
	Programs: []Program{{Name: "count_packets", Section: "xdp", Type: ebpf.XDP}},
	Maps: []Map{{
		Name: "counts", KeySize: 4, ValueSize: 16, MinEntries: 256, MaxEntries: 65536,
		Types: []ebpf.MapType{
			ebpf.Array, ebpf.PerCPUArray, ebpf.Hash, ebpf.PerCPUHash, ebpf.LRUHash, ebpf.LRUCPUHash,
		},
	}},
	Variables:   []Variable{{Name: "verdict", Size: 4, Const: true}},
	OtherMaps:   []ebpf.MapType{ebpf.Array, ebpf.PerCPUArray, ebpf.Hash},
	MaxMaps:     8,
	MaxMapBytes: 16 << 20,
	Helpers: []asm.BuiltinFunc{
		asm.FnMapLookupElem, asm.FnMapUpdateElem, asm.FnMapDeleteElem,
		asm.FnKtimeGetNs, asm.FnKtimeGetBootNs, asm.FnKtimeGetCoarseNs,
		asm.FnGetSmpProcessorId, asm.FnGetPrandomU32,
		asm.FnSpinLock, asm.FnSpinUnlock,
	},
	MaxInstructions: 4096,
}

const header = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct count { __u64 packets; __u64 bytes; };
const volatile __u32 verdict = XDP_PASS;
`

const counts = `
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");
`

// use keeps the variable and the map from being optimised away.
const use = `
	__u32 key = 0;
	struct count *c = bpf_map_lookup_elem(&counts, &key);
	if (c)
		c->packets++;
	return verdict;
`

const program = "SEC(\"xdp\")\nint count_packets(struct xdp_md *ctx)\n{" + use + "}\n"

// cache is shared so that clang is asked for its version once.
var cache string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bpflab-policy-*")
	if err != nil {
		panic(err)
	}
	cache = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// compile compiles text as counter.bpf.c.
func compile(t testing.TB, text string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "counter.bpf.c")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	obj, err := build.Compile(t.Context(), cache, path)
	require.NoError(t, err)
	return obj.ELF
}

// body returns a source whose program begins with the given statements.
func body(statements string) string {
	return header + counts + strings.Replace(program, "{", "{\n"+statements, 1)
}

// mapWith returns a source with one more field, or another, in the map.
func mapWith(old, new string) string {
	return header + strings.Replace(counts, old, new, 1) + program
}

func TestCheck(t *testing.T) {
	for name, text := range map[string]string{
		"plain":         header + counts + program,
		"hash":          mapWith("PERCPU_ARRAY", "HASH"),
		"zero seed":     mapWith("PERCPU_ARRAY);", "HASH); __uint(map_flags, BPF_F_ZERO_SEED);"),
		"globals":       header + counts + "__u64 seen; __u32 base = 7;\n" + strings.Replace(program, "{", "{ seen += base;", 1),
		"static":        header + counts + "static __attribute__((noinline)) int f(int a) { return a * verdict; }\n" + strings.Replace(program, "return verdict", "return f(key)", 1),
		"other map":     header + counts + strings.Replace(counts, "} counts", "} more", 1) + program,
		"other licence": strings.Replace(header, "GPL", "MIT", 1) + counts + program,
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := counter.Check(compile(t, text))
			require.NoError(t, err)
			assert.Contains(t, spec.Programs, "count_packets")
		})
	}
}

// Where a program may print, that is all that it may do beside.
func TestWithPrinting(t *testing.T) {
	for name, text := range map[string]string{"few arguments": `"hi"`, "many": `"%d%d%d%d", 1, 2, 3, 4`} {
		object := compile(t, body("bpf_printk("+text+");\n"))
		_, err := counter.WithPrinting().Check(object)
		require.NoError(t, err, name)
		_, err = counter.Check(object)
		require.Error(t, err, "%s: the policy itself is as it was", name)
	}
	_, err := counter.WithPrinting().Check(compile(t, body("bpf_xdp_adjust_head(ctx, 4);\n")))
	assert.ErrorContains(t, err, "found bpf_xdp_adjust_head: do without it")
}

func TestViolations(t *testing.T) {
	second := strings.Replace(counts, "} counts", "} more", 1)
	tests := []struct {
		name, text string
		want       []string // one per violation, in order
	}{
		{"program missing", header + counts + strings.Replace(program, "count_packets", "count", 1), []string{
			`program count_packets: expected a function of that name in SEC("xdp"), found one named count: rename it to count_packets`,
		}},
		{"program missing, and two others", header + counts + strings.Replace(program, "count_packets", "count", 1) + strings.Replace(program, "count_packets", "another", 1), []string{
			`program count_packets: expected a function of that name in SEC("xdp"), found none: give your function that name`,
			`program another: expected only the programs count_packets, found another in SEC("xdp")`,
			`program count: expected only the programs count_packets, found another in SEC("xdp")`,
		}},
		{"program without SEC", header + counts + strings.Replace(program, "SEC(\"xdp\")\n", "", 1), []string{
			`program count_packets: expected a function of that name in SEC("xdp"), found one without SEC(): put SEC("xdp") before it`,
		}},
		{"other section", header + counts + strings.Replace(program, `"xdp"`, `"tc"`, 1), []string{
			`program count_packets: expected SEC("xdp"), found SEC("tc")`}},
		{"fragments", header + counts + strings.Replace(program, `"xdp"`, `"xdp.frags"`, 1), []string{
			`program count_packets: expected SEC("xdp"), found SEC("xdp.frags")`}},
		{"extra program", header + counts + program + "SEC(\"kprobe/do_exit\") int spy(void *ctx) { return 0; }\n", []string{
			`program spy: expected only the programs count_packets, found another in SEC("kprobe/do_exit")`}},
		{"helper", body("bpf_xdp_adjust_head(ctx, 4);\nbpf_xdp_adjust_head(ctx, 4);\n"), []string{
			"counter.bpf.c:19: call: expected only the helpers bpf_map_lookup_elem, "}},
		{"trace", body("bpf_printk(\"hi\");\n"), []string{"found bpf_trace_printk: bpf_printk is for `bpflab run LAB`; remove it before grading"}},
		{"trace, of many arguments", body("bpf_printk(\"%d%d%d%d\", 1, 2, 3, 4);\n"), []string{"found bpf_trace_vprintk: bpf_printk is for "}},
		{"kfunc", header + counts + "extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *, __u32 *) __ksym;\n" +
			strings.Replace(program, "{", "{ __u32 h; bpf_xdp_metadata_rx_hash(ctx, &h);", 1), []string{
			"extern bpf_xdp_metadata_rx_hash: expected no kernel functions",
			"call: expected only the helpers"}},
		{"ksym", header + counts + "extern const void init_task __ksym;\n" +
			strings.Replace(program, "{", "{ if (&init_task == ctx) return 0;", 1), []string{
			"extern init_task: expected no kernel functions, found a reference to the kernel's init_task"}},
		{"kconfig", header + counts + "extern int LINUX_KERNEL_VERSION __kconfig;\n" +
			strings.Replace(program, "{", "{ if (LINUX_KERNEL_VERSION) return 0;", 1), []string{
			"extern LINUX_KERNEL_VERSION", "a map by number"}},
		{"forged map", body("void *m; asm volatile(\".8byte 0x0000000500001118; .8byte 0\" : \"=r\"(m) :: \"r1\");\n"), []string{
			"counter.bpf.c:19: load: expected references to the object's own maps and functions by name, found a map by number"}},
		{"forged map, by what looks like no number", body("void *m; asm volatile(\".8byte 0x1118; .8byte 0\" : \"=r\"(m) :: \"r1\");\n"), []string{
			"found a map by number"}}, // descriptor 0 is one as well
		{"forged BTF", body("asm volatile(\".8byte 0x0000000500003118; .8byte 0\" ::: \"r1\");\n"), []string{
			"found a pseudo load of kind 3"}},
		{"callx", body("asm volatile(\".8byte 0x8d\" ::: \"r0\");\n"), []string{"found an indirect call"}},
		{"instructions", body("asm volatile(\".rept 5000; r0 = 0; .endr\" ::: \"r0\");\n"), []string{
			"program count_packets: expected at most 4096 instructions, found 50"}},
		{"code", body("asm volatile(\".rept 33000; r0 = 0; .endr\" ::: \"r0\");\n"), []string{
			"bytes of code, more than 262144"}}, // 264,000 and some

		{"map missing", header + strings.Replace(second, "__u32", "__u64", 1) + strings.ReplaceAll(strings.ReplaceAll(program, "counts", "more"), "__u32 key", "__u64 key"), []string{
			`map counts: expected a map of that name in SEC(".maps"), found none: declare it as the starter does`}},
		{"map renamed", header + strings.ReplaceAll(counts+program, "counts", "counters"), []string{
			`map counts: expected a map of that name in SEC(".maps"), found a map counters: rename it to counts`}},
		{"map of the old form", header + strings.Replace(counts, ".maps", "maps", 1) + program, []string{
			`map counts: expected a definition in SEC(".maps"), found one in SEC("maps"), which is for another form of it: add the dot`}},
		{"map type", mapWith("PERCPU_ARRAY", "LPM_TRIE"), []string{
			"map counts: expected one of the types Array, PerCPUArray, Hash, PerCPUHash, LRUHash, LRUCPUHash, found LPMTrie"}},
		{"key", mapWith("key, __u32", "key, __u64"), []string{"map counts: expected keys of 4 bytes, found 8"}},
		{"value", mapWith("value, struct count", "value, __u64"), []string{"map counts: expected values of 16 bytes, found 8"}},
		{"few entries", mapWith("256", "16"), []string{"map counts: expected at least 256 entries, found 16"}},
		{"many entries", mapWith("256", "100000"), []string{"map counts: expected at most 65536 entries, found 100000"}},
		{"no entries", mapWith("__uint(max_entries, 256);", ""), []string{"map counts: expected max_entries of at least 1, found 0"}},
		{"pinned", mapWith("PERCPU_ARRAY);", "PERCPU_ARRAY); __uint(pinning, LIBBPF_PIN_BY_NAME);"), []string{
			"map counts: expected a map of the program's own, found pinning"}},
		{"flags", mapWith("PERCPU_ARRAY);", "PERCPU_ARRAY); __uint(map_flags, BPF_F_MMAPABLE);"), []string{
			"map counts: expected no flags but BPF_F_NO_PREALLOC and BPF_F_ZERO_SEED, found flags 0x400"}},
		{"memory", header + counts + strings.Replace(second, "256", "4000000000", 1) + program, []string{
			"maps: expected at most 16777216 bytes of memory on 4 CPUs, found about 256000016392"}},
		{"number", header + counts + program + manyMaps(7), []string{
			"maps: expected at most 8, those of global variables included, found 9: .rodata, counts, ma, "}},
		{"other type", header + counts + strings.Replace(second, "PERCPU_ARRAY", "LRU_HASH", 1) + program, []string{
			"map more: expected no other map but of the types Array, PerCPUArray, Hash, found one of type LRUHash"}},
		{"map of maps", header + counts + `
struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); };
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 1); __type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps");
` + program, []string{"map outer: expected a map of values, found a map of maps", "map outer: expected no other map"}},
		{"program array", header + counts + "int count_packets(struct xdp_md *ctx);" + `
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 1); __type(key, __u32);
	__array(values, int (struct xdp_md *));
} progs SEC(".maps") = { .values = { [0] = (void *)&count_packets } };
` + program, []string{"map progs: expected a map that starts empty, found initial contents", "map progs: expected no other map"}},
		{"map named like a section", header + counts +
			strings.Replace(second, "} more", "} _data_more", 1) + program, []string{
			"map .data.more: expected a C identifier for a name, found .data.more"}},

		{"variable missing", strings.Replace(header, "const volatile __u32 verdict = XDP_PASS", "enum { verdict = XDP_PASS }", 1) + counts + program, []string{
			"variable verdict: expected a global of 4 bytes, const volatile, found none of that name: declare it as the starter does"}},
		{"variable renamed", strings.Replace(header+counts+program, "verdict", "verdct", 2), []string{
			"variable verdict: expected a global of 4 bytes, const volatile, found verdct: rename it to verdict"}},
		{"variable static", strings.Replace(header, "const volatile", "static const volatile", 1) + counts + program, []string{
			"variable verdict: expected a global of 4 bytes, const volatile, found a static one: remove static, so that the grader sees it"}},
		{"variable size", strings.Replace(header, "__u32 verdict", "__u64 verdict", 1) + counts + program, []string{
			"variable verdict: expected a global of 4 bytes, const volatile, found 8 bytes"}},
		{"variable not const", strings.Replace(header, "const volatile", "volatile", 1) + counts + program, []string{
			"variable verdict: expected a global of 4 bytes, const volatile, found one in .data"}},
		{"huge bss", header + counts + "char big[2 << 20];\n" + strings.Replace(program, "{", "{ big[*(volatile int *)ctx & 7]++;", 1), []string{
			`object: expected a BPF object that clang made from one C file, found data of more than 1048576 bytes in section ".bss"`}},
		{"functions", header + counts + manyFunctions(70) + program, []string{"more than 64"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			object := compile(t, tt.text)
			// A name that C has no way to write.
			object = bytes.ReplaceAll(object, []byte("\x00_data_more\x00"), []byte("\x00.data.more\x00"))
			spec, err := counter.Check(object)
			assert.Nil(t, spec)
			var v *Violations
			require.ErrorAs(t, err, &v)
			errs := v.WrappedErrors()
			require.Len(t, errs, len(tt.want), "%v", err)
			for i, want := range tt.want {
				assert.ErrorContains(t, errs[i], want)
				var one *Violation
				require.ErrorAs(t, errs[i], &one)
				assert.NotEmpty(t, one.Remedy)
			}
		})
	}
}

// What the harness changes while a program runs must not be const: the kernel would have it for a
// constant that it can compute with.
func TestVariableMustNotBeConst(t *testing.T) {
	p := counter
	p.Variables = []Variable{{Name: "verdict", Size: 4}}
	_, err := p.Check(compile(t, header+counts+program))
	assert.ErrorContains(t, err, "variable verdict: expected a global of 4 bytes, found a const one: user space writes it while the program runs, so remove const")
	_, err = p.Check(compile(t, strings.Replace(header, "const volatile", "volatile", 1)+counts+program))
	assert.NoError(t, err)
}

// What clang hardly makes, and a hand-made object can have.
func TestCheckMap(t *testing.T) {
	for _, tt := range []struct {
		change func(*ebpf.MapSpec)
		want   string // part of the one violation; empty: none
	}{
		{func(*ebpf.MapSpec) {}, ""},
		{func(m *ebpf.MapSpec) { m.Type = ebpf.StructOpsMap }, "expected a map of values, found struct_ops"},
		{func(m *ebpf.MapSpec) { m.MapExtra = 5 }, "expected no map_extra, found 0x5"},
		{func(m *ebpf.MapSpec) { m.Type, m.Flags = ebpf.Hash, noPrealloc }, ""},
		{func(m *ebpf.MapSpec) { m.Flags = mmapable }, "found flags 0x400"},
		{func(m *ebpf.MapSpec) { m.Type = ebpf.ArrayOfMaps }, "found a map of maps"},
		{func(m *ebpf.MapSpec) { m.Type = ebpf.HashOfMaps }, "found a map of maps"},
		{func(m *ebpf.MapSpec) { m.InnerMap = &ebpf.MapSpec{} }, "found a map of maps"},
		{func(m *ebpf.MapSpec) { m.MaxEntries = 0 }, "expected max_entries of at least 1, found 0"},
		{func(m *ebpf.MapSpec) { m.Type, m.MaxEntries = ebpf.PerfEventArray, 0 }, ""},
	} {
		m := &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}
		tt.change(m)
		v := newViolations()
		checkMap(v, "m", m)
		if tt.want == "" {
			assert.True(t, v.empty(), "%v", v)
			continue
		}
		if assert.Len(t, v.WrappedErrors(), 1, tt.want) {
			assert.ErrorContains(t, v, tt.want)
		}
	}
}

// What stands for a section of global variables is an array of one entry with the loader's flags, and no
// more.
func TestCheckGlobals(t *testing.T) {
	for _, tt := range []struct {
		change func(*ebpf.MapSpec)
		ok     bool
	}{
		{func(*ebpf.MapSpec) {}, true},
		{func(m *ebpf.MapSpec) { m.Type = ebpf.Hash }, false},
		{func(m *ebpf.MapSpec) { m.MaxEntries = 2 }, false},
		{func(m *ebpf.MapSpec) { m.Flags |= noPrealloc }, false},
	} {
		m := &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: rdonlyProg | mmapable}
		tt.change(m)
		v := newViolations()
		checkGlobals(v, ".rodata", m)
		assert.Equal(t, tt.ok, v.empty(), "%v", m)
	}
}

// As many entries, maps and bytes as are allowed are allowed.
func TestMapLimits(t *testing.T) {
	ring := func(bytes uint32) *ebpf.MapSpec { return &ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: bytes} }
	limited := Policy{
		Maps:    []Map{{Name: "events", Types: []ebpf.MapType{ebpf.RingBuf}, MinEntries: 4096, MaxEntries: 8192}},
		MaxMaps: 2, MaxMapBytes: 3 * 4096, OtherMaps: []ebpf.MapType{ebpf.RingBuf},
	}
	unlimited := limited
	unlimited.Maps = []Map{{Name: "events", Types: []ebpf.MapType{ebpf.RingBuf}}}
	for _, tt := range []struct {
		policy Policy
		maps   map[string]*ebpf.MapSpec
		want   string // part of the one violation; empty: none
	}{
		{limited, map[string]*ebpf.MapSpec{"events": ring(4096)}, ""},
		{limited, map[string]*ebpf.MapSpec{"events": ring(4095)}, "expected at least 4096 bytes, found 4095"},
		{limited, map[string]*ebpf.MapSpec{"events": ring(8192)}, ""},
		{limited, map[string]*ebpf.MapSpec{"events": ring(8193)}, "expected at most 8192 bytes, found 8193"},
		{limited, map[string]*ebpf.MapSpec{"events": ring(6000)}, "map events: expected a power of two for max_entries, found 6000: use 4096"},
		{limited, map[string]*ebpf.MapSpec{"ring": ring(8192)}, `map events: expected a map of that name in SEC(".maps"), found a map ring: rename it to events`},
		{unlimited, map[string]*ebpf.MapSpec{"events": ring(1 << 31)}, "bytes of memory on 4 CPUs"},
		{limited, map[string]*ebpf.MapSpec{"events": ring(8192), "more": ring(4096)}, ""},
		{limited, map[string]*ebpf.MapSpec{"events": ring(8192), "more": ring(4097)}, "expected at most 12288 bytes of memory on 4 CPUs, found about 12289"},
		{limited, map[string]*ebpf.MapSpec{"events": ring(4096), "more": ring(1), "most": ring(1)}, "found 3: events, more, most"},
	} {
		v := newViolations()
		tt.policy.checkMaps(v, &ebpf.CollectionSpec{Maps: tt.maps}, &object{})
		if tt.want == "" {
			assert.True(t, v.empty(), "%v", v)
			continue
		}
		if assert.Len(t, v.WrappedErrors(), 1, tt.want) {
			assert.ErrorContains(t, v, tt.want)
		}
	}
}

// Instructions that C has no way to write, and limits that it hardly meets to the instruction.
func TestCheckProgram(t *testing.T) {
	call := func(src asm.Register, constant int64) asm.Instruction {
		return asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: src, Constant: constant}
	}
	load := func(src asm.Register, constant int64) asm.Instruction {
		return asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Src: src, Constant: constant}
	}
	for _, tt := range []struct {
		name  string
		insns asm.Instructions
		want  []string // a part of each violation
	}{
		{"most instructions", slices.Repeat(asm.Instructions{asm.Return()}, 8), nil},
		{"an instruction more", slices.Repeat(asm.Instructions{asm.Return()}, 9), []string{"expected at most 8 instructions, found 9"}},
		{"two helpers", asm.Instructions{asm.FnTracePrintk.Call(), asm.FnRedirect.Call(), asm.FnTracePrintk.Call()}, []string{"found bpf_trace_printk", "found bpf_redirect"}},
		{"a kernel function that is allowed", asm.Instructions{call(asm.PseudoKfuncCall, -1).WithReference("bpf_f")}, nil},
		{"another kernel function", asm.Instructions{call(asm.PseudoKfuncCall, -1).WithReference("bpf_g")}, []string{`found the kernel function "bpf_g"`}},
		{"a call of no kind", asm.Instructions{call(7, 1)}, []string{"found a call of unknown kind"}},
		{"a map", asm.Instructions{load(asm.PseudoMapFD, 0).WithReference("m")}, nil},
		{"a map by number", asm.Instructions{load(asm.PseudoMapFD, 3)}, []string{"found a map by number"}},
		{"a map by name and number", asm.Instructions{load(asm.PseudoMapFD, 3).WithReference("m")}, []string{"found a map by number"}},
		{"a place in a map", asm.Instructions{load(asm.PseudoMapValue, 0).WithReference("m")}, nil},
		{"a place in a map by number", asm.Instructions{load(asm.PseudoMapValue, 3)}, []string{"found a map by number"}},
		{"a function", asm.Instructions{load(asm.PseudoFunc, -1).WithReference("f")}, nil},
		{"a function by number", asm.Instructions{load(asm.PseudoFunc, 3)}, []string{"found a function by number"}},
		{"a load of no kind", asm.Instructions{load(9, 3)}, []string{"found a pseudo load of kind 9"}},
	} {
		p := Policy{MaxInstructions: 8, Kfuncs: []string{"bpf_f"}}
		v := newViolations()
		p.checkInstructions(v, &ebpf.CollectionSpec{
			Maps: map[string]*ebpf.MapSpec{"m": {}}, Programs: map[string]*ebpf.ProgramSpec{"p": {Instructions: tt.insns}},
		}, "p")
		errs := v.WrappedErrors()
		if assert.Len(t, errs, len(tt.want), "%s: %v", tt.name, v) {
			for i, want := range tt.want {
				assert.ErrorContains(t, errs[i], want, tt.name)
			}
		}
	}
}

// A variable that is smaller than the harness sets is as wrong as a larger one.
func TestVariableSize(t *testing.T) {
	object, err := os.ReadFile("testdata/seed.o")
	require.NoError(t, err)
	for size, want := range map[uint32]string{2: "found 4 bytes", 4: "", 8: "found 4 bytes"} {
		p := counter
		p.Variables = []Variable{{Name: "verdict", Size: size, Const: true}}
		_, err := p.Check(object)
		if want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, want, "%d bytes", size)
	}
}

// A kernel function that the lab allows may be called.
func TestAllowedKfunc(t *testing.T) {
	p := counter
	p.Kfuncs = []string{"bpf_xdp_metadata_rx_hash"}
	_, err := p.Check(compile(t, header+counts+"extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *, __u32 *) __ksym;\n"+
		strings.Replace(program, "{", "{ __u32 h; bpf_xdp_metadata_rx_hash(ctx, &h);", 1)))
	assert.NoError(t, err)
}

// A section's name does not make a program of the type that the lab attaches.
func TestProgramType(t *testing.T) {
	for section, ok := range map[string]bool{"xdp": true, "tc": false} {
		for kind, same := range map[ebpf.ProgramType]bool{ebpf.XDP: true, ebpf.SchedCLS: false} {
			v := newViolations()
			counter.checkPrograms(v, &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"count_packets": {SectionName: section, Type: kind}}}, &object{})
			assert.Equal(t, ok && same, v.empty(), "a program of the type %s in SEC(%q): %v", kind, section, v)
		}
	}
}

// A long text of others is cut, and what is left of it is text.
func TestViolationIsCut(t *testing.T) {
	for found, want := range map[string]string{
		strings.Repeat("a", 500):              strings.Repeat("a", 500),
		strings.Repeat("a", 501):              strings.Repeat("a", 500) + "…",
		strings.Repeat("a", 499) + "é and on": strings.Repeat("a", 499) + "…",
	} {
		v := newViolations()
		v.add("", "object", "less", found, "shorten it")
		var one *Violation
		require.ErrorAs(t, v, &one)
		assert.Equal(t, want, one.Found)
	}
}

func manyMaps(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Replace(counts, "} counts", "} m"+string(rune('a'+i)), 1))
	}
	return b.String()
}

func manyFunctions(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("int f" + string(rune('0'+i/10)) + string(rune('0'+i%10)) + "(void) { return 0; }\n")
	}
	return b.String()
}

func TestCheckForeignBytes(t *testing.T) {
	good := compile(t, header+counts+program)
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	for name, raw := range map[string][]byte{
		"empty":      nil,
		"text":       []byte("int main(void) { return 0; }\n"),
		"cut":        good[:len(good)/2],
		"executable": self[:1<<20],
		"too big":    append(good[:len(good):len(good)], make([]byte, 1<<20)...),
	} {
		spec, err := counter.Check(raw)
		assert.Nil(t, spec, name)
		var v *Violations
		assert.ErrorAs(t, err, &v, name)
	}
}

func TestMemorySaturates(t *testing.T) {
	huge := &ebpf.MapSpec{Type: ebpf.PerCPUHash, KeySize: 1<<32 - 1, ValueSize: 1<<32 - 1, MaxEntries: 1<<32 - 1}
	assert.Equal(t, ^uint64(0), Memory(huge, graderCPUs))
	assert.Equal(t, ^uint64(0), Sum(Memory(huge, graderCPUs), 1))
	assert.Equal(t, ^uint64(0), Sum(1, Memory(huge, graderCPUs)))
}

// What a map takes, on 4 CPUs. Sizes are rounded up to 8 bytes, and what is no array has some 80 bytes for
// each element.
func TestMemory(t *testing.T) {
	for kind, want := range map[ebpf.MapType]uint64{
		ebpf.Array: 10 * 16, ebpf.PerCPUArray: 10 * 4 * 16,
		ebpf.Hash: 10 * (80 + 8 + 16), ebpf.LRUHash: 10 * (80 + 8 + 16),
		ebpf.PerCPUHash: 10 * (80 + 8 + 4*16), ebpf.LRUCPUHash: 10 * (80 + 8 + 4*16), ebpf.PerCPUCGroupStorage: 10 * (80 + 8 + 4*16),
		ebpf.RingBuf: 10,
	} {
		assert.Equal(t, want, Memory(&ebpf.MapSpec{Type: kind, KeySize: 4, ValueSize: 9, MaxEntries: 10}, graderCPUs), kind)
	}
}

// FuzzCheck looks for panics, hangs and objects that cost far more memory than
// they have bytes; go test -fuzz reports a worker killed for its memory.
func FuzzCheck(f *testing.F) {
	seed, err := os.ReadFile("testdata/seed.o")
	require.NoError(f, err)
	f.Add(seed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		spec, err := counter.Check(raw)
		if (spec == nil) == (err == nil) {
			t.Fatalf("got spec %v and error %v", spec, err)
		}
		if spec != nil {
			for name, p := range spec.Programs {
				_, _ = LongestPath(p.Instructions)
				if writes := SharedWrites(spec, name); len(writes) != len(p.Instructions) {
					t.Fatalf("%d instructions, and %d verdicts on them", len(p.Instructions), len(writes))
				}
			}
		}
	})
}
