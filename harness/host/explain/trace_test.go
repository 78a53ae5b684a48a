// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/verifier"
)

func TestParseBounds(t *testing.T) {
	for state, want := range map[string]struct {
		bounds bounds
		words  string
	}{
		"5":         {bounds{5, 5, 5, 5}, "5"},
		"inv0":      {bounds{0, 0, 0, 0}, "0"},
		"invP7":     {bounds{7, 7, 7, 7}, "7"},
		"P-1":       {bounds{-1, -1, math.MaxUint64, math.MaxUint64}, "-1"},
		"scalar()":  {anyNumber, "any 64-bit number"},
		"inv(id=0)": {anyNumber, "any 64-bit number"},
		"inv(id=3,umax_value=255,var_off=(0x0; 0xff))":                       {bounds{0, 255, 0, 255}, "0 to 255"},
		"scalar(umax=255,var_off=(0x0; 0xff))":                               {bounds{0, 255, 0, 255}, "0 to 255"},
		"scalar(id=2,smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))": {bounds{0, math.MaxUint32, 0, math.MaxUint32}, "0 to 4294967295"},
		"scalar(smin=umin=smin32=umin32=1,smax=umax=smax32=umax32=190)":      {bounds{1, 190, 1, 190}, "1 to 190"},
		"inv(id=0,smin_value=-2147483648,smax_value=2147483647)":             {bounds{-2147483648, 2147483647, 0, math.MaxUint64}, "-2147483648 to 2147483647"},
		"scalar(smin=-8)": {bounds{-8, math.MaxInt64, 0, math.MaxUint64}, "-8 or more, up to 2⁶³-1"},
		"scalar(smax=9)":  {bounds{math.MinInt64, 9, 0, math.MaxUint64}, "any negative number, or up to 9"},
		"scalar(umin=4)":  {bounds{math.MinInt64, math.MaxInt64, 4, math.MaxUint64}, "4 or more, up to 2⁶⁴-1"},
		"pkt(id=1,off=18,r=0,umax_value=70000,var_off=(0x0; 0x1ffff))":                  {bounds{0, 70000, 0, 70000}, "0 to 70000"},
		"map_value(map=m,ks=4,vs=16,smin=smin32=0,smax=umax=smax32=umax32=15,var_off=)": {bounds{0, 15, 0, 15}, "0 to 15"},
	} {
		got := parseBounds(state)
		assert.Equal(t, want.bounds, got, state)
		assert.Equal(t, want.words, got.String(), state)
	}
}

func TestStateWords(t *testing.T) {
	for state, want := range map[string]string{
		"":                                      "something that the log does not show",
		"7":                                     "the number 7",
		"inv(id=0,umax_value=255)":              "a number (0 to 255)",
		"scalar(id=3)":                          "a number (any 64-bit number)",
		"fp-64":                                 "a pointer to the stack (fp-64)",
		"ctx(off=0,imm=0)":                      "the context",
		"pkt(r=14)":                             "a pointer into the packet",
		"pkt_end()":                             "the packet's end, data_end",
		"map_value(map=m,ks=4,vs=8)":            "a pointer to a value of the map m",
		"map_value_or_null(id=1,ks=4)":          "a pointer to a map's value, or NULL",
		"map_ptr(map=m,ks=4,vs=8)":              "the map m",
		"trusted_ptr_task_struct()":             "a pointer to the kernel's struct task_struct (trusted)",
		"ptr_or_null_task_struct(id=2)":         "a pointer to the kernel's struct task_struct, or NULL",
		"ringbuf_mem(ref_obj_id=2,mem_size=16)": "a pointer to 16 bytes of memory",
		"ringbuf_mem_or_null(id=2,ref_obj_id=2,sz=16)": "a pointer to 16 bytes of memory, or NULL",
		"rdonly_untrusted_mem(sz=0)":                   "a pointer to kernel memory of no known type",
		"sock_or_null(id=2)":                           "a pointer to a socket (sock), or NULL",
		"dynptr_ptr()":                                 "a value of the verifier's type dynptr_ptr",
	} {
		assert.Equal(t, want, stateWords(state), state)
	}
}

func TestInsnWords(t *testing.T) {
	for text, want := range map[string]string{
		"r0 = *(u8 *)(r6 +0)":          "reads 1 byte at R6 into R0",
		"r0 = *(u64 *)(r6 -16)":        "reads 8 bytes at R6 - 16 into R0",
		"*(u32 *)(r10 -4) = r1":        "writes 4 bytes at R10 - 4, the value of R1",
		"*(u32 *)(r1 +0) = 5":          "writes 4 bytes at R1, the value of 5",
		"lock *(u64 *)(r0 +8) += r1":   "changes 8 bytes at R0 + 8 atomically, with R1",
		"call bpf_map_lookup_elem#1":   "calls bpf_map_lookup_elem",
		"call bpf_task_from_pid#84221": "calls bpf_task_from_pid",
		"call pc+3":                    "calls a function of the program",
		"if w7 s< 0x100 goto pc+1":     "compares R7 and branches",
		"exit":                         "returns R0",
		"goto pc-1":                    "jumps",
		"r1 += r2":                     "computes with R1",
		"r1 = 5":                       "sets R1",
		"gibberish":                    "",
	} {
		assert.Equal(t, want, insnWords(text), text)
	}
}

func TestArgument(t *testing.T) {
	const call = `if (bpf_probe_read_kernel(s->b, min(n, 4), (void *)ctx->args[0]) < 0) f(",", ')', last);`
	for _, tt := range []struct {
		function string
		n        int
		want     string
	}{
		{"bpf_probe_read_kernel", 1, "s->b"}, {"bpf_probe_read_kernel", 2, "min(n, 4)"}, {"bpf_probe_read_kernel", 3, "(void *)ctx->args[0]"},
		{"bpf_probe_read_kernel", 4, ""}, {"f", 1, `","`}, {"f", 3, "last"}, {"g", 1, ""}, {"probe_read_kernel", 1, ""},
	} {
		assert.Equal(t, tt.want, argument(call, tt.function, tt.n), "%s %d", tt.function, tt.n)
	}
	assert.Empty(t, argument("f(a, b", "f", 2), "cut")
}

// A value is followed through copies, spills, arithmetic and calls, on the path that led to the rejection.
func TestOrigin(t *testing.T) {
	for name, tt := range map[string]struct {
		log, register string
		origin        int // an instruction's number, -1 for none
		value         string
	}{
		"copies and a spill": {`3: (79) r7 = *(u64 *)(r6 +8)          ; R7_w=scalar()
4: (bf) r2 = r7                       ; R2_w=scalar(id=1) R7_w=scalar(id=1)
5: (07) r2 += 4                       ; R2_w=scalar()
6: (7b) *(u64 *)(r10 -16) = r2        ; R2_w=scalar(id=2) fp-16_w=scalar(id=2)
7: (85) call bpf_ktime_get_ns#5       ; R0_w=scalar()
8: (79) r1 = *(u64 *)(r10 -16)        ; R1_w=scalar(id=2)
9: (71) r0 = *(u8 *)(r1 +0)`, "R1", 3, "scalar(id=2)"},
		"a call's result": {`7: (85) call bpf_ktime_get_ns#5       ; R0_w=scalar()
8: (bf) r6 = r0                       ; R0_w=scalar(id=2) R6_w=scalar(id=2)
9: (71) r0 = *(u8 *)(r6 +0)`, "R6", 7, "scalar(id=2)"},
		"a call that spoils": {`7: (b7) r1 = 5       ; R1_w=5
8: (85) call bpf_ktime_get_ns#5       ; R0_w=scalar()
9: (71) r0 = *(u8 *)(r1 +0)`, "R1", 8, ""},
		"the function's own register, not the called one's": {`2: (b7) r6 = 5       ; R6_w=5
3: (85) call pc+4
caller:
 R6=5 R10=fp0
callee:
 frame1: R1=ctx() R10=fp0
8: (b7) r6 = 7       ; frame1: R6_w=7
9: (95) exit
returning from callee:
 frame1: R0_w=1 R6_w=7
to caller at 4:
 R0_w=1 R6=5
4: (71) r0 = *(u8 *)(r6 +0)`, "R6", 2, "5"},
		"another path in between": {`2: (79) r6 = *(u64 *)(r1 +0)       ; R6_w=scalar()
3: (15) if r0 == 0x0 goto pc+3        ; R0=scalar()
4: (b7) r6 = 5                        ; R6_w=5
5: (b7) r0 = 0                        ; R0_w=0
6: (95) exit

from 3 to 7: R0=0 R6=scalar() R10=fp0
7: (71) r0 = *(u8 *)(r6 +0)`, "R6", 2, "scalar()"},
		"another path, as 5.10 logs all registers": {`2: (79) r6 = *(u64 *)(r1 +0)
3: R6_w=inv(id=0) R10=fp0
3: (15) if r0 == 0x0 goto pc+3
 R0=inv(id=0) R6_w=inv(id=0) R10=fp0
4: R0=inv(id=0) R6_w=inv(id=0) R10=fp0
4: (b7) r6 = 5
5: R6_w=inv5 R10=fp0
6: (95) exit
7: R0=inv0 R6=inv(id=0) R10=fp0
7: (71) r0 = *(u8 *)(r6 +0)`, "R6", 2, "inv(id=0)"},
		"what follows a branch on its line": {`2: (79) r6 = *(u64 *)(r1 +0)       ; R6_w=scalar()
3: (15) if r0 == 0x0 goto pc+3 7: R0=0 R6=scalar(umax=9) R10=fp0
7: (71) r0 = *(u8 *)(r6 +0)`, "R6", 2, "scalar(umax=9)"},
		"nowhere": {"7: (71) r0 = *(u8 *)(r6 +0)", "R6", -1, ""},
	} {
		log := parseTrace(strings.Split(tt.log, "\n"))
		at := log.last()
		require.GreaterOrEqual(t, at, 0, name)
		got := -1
		if i := log.origin(tt.register, at); i >= 0 {
			got = log[i].number
		}
		assert.Equal(t, tt.origin, got, name)
		assert.Equal(t, tt.value, log.value(tt.register, at), name)
	}
}

// What an explanation says of one program is what its log shows.
func TestExplainThis(t *testing.T) {
	for name, tt := range map[string]struct {
		log  string
		want []string
		not  []string
	}{
		"a signed comparison": {`; int n = ctx->args[1]; @ x.bpf.c:13
3: (79) r7 = *(u64 *)(r6 +8)          ; R6=ctx() R7=scalar()
8: (85) call bpf_map_lookup_elem#1    ; R0=map_value(map=m,ks=4,vs=256)
; if (n > 256) @ x.bpf.c:18
10: (c6) if w7 s< 0x100 goto pc+1 12: R0=map_value(map=m,ks=4,vs=256) R6=ctx() R7=scalar(smax32=255) R10=fp0
; bpf_probe_read_kernel(s->b, n, p); @ x.bpf.c:20
13: (bf) r1 = r0                      ; R0=map_value(map=m,ks=4,vs=256) R1=map_value(map=m,ks=4,vs=256)
14: (bc) w2 = w7                      ; R2=scalar(smin=0,smax=umax=0xffffffff)
15: (85) call bpf_probe_read_kernel#113
R2 unbounded memory access, use 'var &= const' or 'if (var < const)'`,
			[]string{"R2 (argument 2 of bpf_probe_read_kernel, `n`) is 0 to 4294967295 to the verifier, and has to be 0 to 256, the size of a value of the map m.", "`if (n > 256)` (line 18) is signed"},
			[]string{"Nothing on this path"}},
		"no comparison": {`3: (79) r2 = *(u64 *)(r6 +8)          ; R2=scalar()
4: (85) call bpf_get_current_comm#16
R2 unbounded memory access, use 'var &= const' or 'if (var < const)'`, []string{"any 64-bit number", "Nothing on this path compares it."}, nil},
		"a log that begins too late to know": {`4: (85) call bpf_get_current_comm#16
R2 unbounded memory access, use 'var &= const' or 'if (var < const)'`, nil, []string{"Nothing on this path"}},
		"some bytes covered": {`4: (71) r0 = *(u8 *)(r6 +3)
invalid access to packet, off=12 size=4, R6(id=0,off=12,r=14)
R6 offset is outside of the packet`, []string{"covers 14 bytes from where the pointer began; this access needs 16, 2 more."}, nil},
		"past a map's value": {`7: (7b) *(u64 *)(r0 +8) = r1
invalid access to map value, value_size=12 off=8 size=8
R0 max value is outside of the allowed memory range`, []string{"8 bytes at offset 8 of the map's value, which has 12: 4 bytes past the end"}, nil},
		"before a map's value": {`7: (7b) *(u64 *)(r0 -8) = r1
invalid access to map value, value_size=12 off=-8 size=8
R0 min value is outside of the allowed memory range`, []string{"begins 8 bytes before the start of the map's value"}, nil},
		"after memory":  {"invalid access to memory, mem_size=16 off=16 size=8", []string{"8 bytes at offset 16, but the memory ends after 16 bytes"}, nil},
		"stack too low": {"invalid write to stack R10 off=-520 size=8", []string{"8 bytes at 520 bytes below the frame pointer: 8 bytes too far"}, nil},
		"stack above":   {"invalid write to stack R1 off=-4 size=8", []string{"of which 4 bytes are above it"}, nil},
		"deep":          {"combined stack size of 3 calls is 544. Too large", []string{"3 functions in a row need 544 bytes, 32 too many"}, nil},
		"before a tail call": {"tail_calls are not allowed when call stack of previous frames is 288 bytes. Too large",
			[]string{"need 288 bytes; 256 are allowed"}, nil},
		"a helper's stack": {"5: (85) call bpf_map_lookup_elem#1\ninvalid read from stack R2 off=-4 size=8", []string{"bpf_map_lookup_elem wants 8 bytes", "only 4 are left: 4 bytes too many"}, nil},
		"no return":        {"9: (95) exit\nR0 !read_ok", []string{"sets no result, R0"}, nil},
		"set nowhere":      {"8: (bf) r0 = r7\nR7 !read_ok", []string{"R7, which nothing on this path sets"}, nil},
		"values of 5.10":   {"9: (95) exit\nAt program exit the register R0 has value (0x0; 0x7) should have been in (0x0; 0x3)", []string{"returns 0 to 7; only 0 to 3"}, nil},
		"values of 6.12":   {"9: (95) exit\nAt program exit the register R0 has smin=2 smax=2 should have been in [0, 1]", []string{"returns 2; only 0 to 1"}, nil},
		"no value": {"8: (79) r0 = *(u64 *)(r1 +0) ; R0_w=scalar()\n9: (95) exit\nAt program exit the register R0 has unknown scalar value should have been in [0, 1]",
			[]string{"returns any 64-bit number; only 0 to 1"}, nil},
		"which helper":     {"invalid func unknown#181", []string{"bpf_loop, number 181. Linux 5.17 has it"}, nil},
		"no helper at all": {"invalid func unknown#99999", []string{"No kernel has a helper 99999"}, nil},
		"which map type":   {"cannot pass map_type 2 into func bpf_ringbuf_reserve#131", []string{"bpf_ringbuf_reserve is called on a map of type Array"}, nil},
		"how many":         {"BPF program is too large. Processed 1000001 insn", []string{"at 1000001 instructions"}, nil},
		"misaligned":       {"misaligned stack access off (0x0; 0x0)+0+-12 size 8", []string{"8 bytes are accessed at offset -12"}, nil},
		"a pointer to a pointer": {`; f = t->files->fdt->fd[0]; @ x.bpf.c:16
2: (79) r1 = *(u64 *)(r1 +32)         ; R1=ptr_fdtable()
3: (79) r1 = *(u64 *)(r1 +8)          ; R1=scalar()
4: (79) r1 = *(u64 *)(r1 +0)
R1 invalid mem access 'scalar'`, []string{"R1 is read from the kernel's struct fdtable in `f = t->files->fdt->fd[0];` (line 16)", "offset 8 of struct fdtable is no pointer to a struct"}, nil},
		"32 bits of a pointer": {"3: (61) r2 = *(u32 *)(r6 +0)          ; R2=scalar()\n4: (71) r0 = *(u8 *)(r2 +0)\nR2 invalid mem access 'scalar'", []string{"A pointer has 64 bits; 4 bytes were loaded"}, nil},
		"a packet that a helper may have moved": {`; d = (void *)(long)ctx->data; @ x.bpf.c:3
2: (61) r7 = *(u32 *)(r6 +0)          ; R6=ctx() R7=pkt(r=0)
; if (bpf_xdp_adjust_head(ctx, 4)) @ x.bpf.c:5
5: (85) call bpf_xdp_adjust_head#44   ; R0=scalar()
6: (85) call bpf_ktime_get_ns#5       ; R0=scalar()
7: (71) r0 = *(u8 *)(r7 +3)
R7 invalid mem access 'scalar'`, []string{"It was a pointer into the packet until `if (bpf_xdp_adjust_head(ctx, 4))` (line 5)", "load `data` and `data_end` from the context again"}, []string{"64 bits"}},
		"a record that was submitted": {`3: (85) call bpf_ringbuf_reserve#131  ; R0=ringbuf_mem_or_null(id=2,sz=8)
4: (bf) r6 = r0                       ; R0=ringbuf_mem(sz=8) R6=ringbuf_mem(sz=8)
5: (85) call bpf_ringbuf_submit#132
7: (7b) *(u64 *)(r6 +0) = r1
R6 invalid mem access 'scalar'`, []string{"until `call bpf_ringbuf_submit#132`", "Do not use it after that call"}, nil},
		"before data_end is not enough": {`2: (61) r1 = *(u32 *)(r6 +0)          ; R6=ctx() R1=pkt(r=0)
3: (61) r2 = *(u32 *)(r6 +4)          ; R6=ctx() R2=pkt_end()
; while (d < end) @ x.bpf.c:5
4: (3d) if r1 >= r2 goto pc+9         ; R1=pkt(r=0) R2=pkt_end()
5: (71) r0 = *(u8 *)(r1 +0)
invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)
R1 offset is outside of the packet`, []string{"`while (d < end)` (line 5) does not count", "if (p + 1 > data_end)"}, nil},
		"data_end of 32 bits": {`2: (61) r1 = *(u32 *)(r6 +0)          ; R6=ctx() R1=pkt(r=0)
3: (bc) w2 = w3                       ; R2=scalar(smin=0,smax=umax=0xffffffff)
4: (2d) if r1 > r2 goto pc+9          ; R1=pkt(r=0) R2=scalar(smin=0,smax=umax=0xffffffff)
5: (71) r0 = *(u8 *)(r1 +0)
invalid access to packet, off=0 size=1, R1(id=0,off=0,r=0)
R1 offset is outside of the packet`, []string{"there R2 is not data_end to the verifier but a number (0 to 4294967295)"}, nil},
		"a parameter that may be NULL": {"0: R1=mem_or_null(id=1,sz=4) R10=fp0\n0: (61) r0 = *(u32 *)(r1 +0)\nR1 invalid mem access 'mem_or_null'", []string{"a parameter of a function that is not `static`"}, []string{"look-up"}},
		"a mask":                       {"3: (18) r3 = 0xfffffffc ; R3=0xfffffffc\n5: (0f) r3 += r1\nmath between pkt pointer and 4294967292 is not allowed", nil, []string{"Nothing on this path"}},
		"a constant": {`2: (61) r1 = *(u32 *)(r6 +0)          ; R6=ctx() R1=pkt(r=0)
3: (b4) w3 = -4                       ; R3=0xfffffffc
5: (0f) r1 += r3
math between pkt pointer and 4294967292 is not allowed`, []string{"R3, which is added, is the number 4294967292", "2²⁹ is the limit"}, []string{"Nothing on this path"}},
		"an index with a sign, tested in another line": {`; int i = n; @ x.bpf.c:3
2: (79) r6 = *(u64 *)(r1 +0)          ; R6=scalar() R1=ctx()
; if (!v) @ x.bpf.c:4
3: (66) if w6 s> 0xf goto pc+9        ; R6=scalar(smax=15)
4: (bf) r7 = r0                       ; R0=map_value(ks=4,vs=64) R7=map_value(ks=4,vs=64)
5: (0f) r7 += r6
value -8589934592 makes map_value pointer be out of bounds`, []string{"instruction 3, `if w6 s> 0xf goto pc+9`, is signed: negative numbers pass it"}, nil},
		"too many maps": {"E2BIG without a log (program type XDP, attach type None, 597 instructions, 66 maps)", []string{"at most 64 maps"}, nil},
		"who leaks": {`; e = bpf_ringbuf_reserve(&rb, 8, 0); @ x.bpf.c:3
3: (85) call bpf_ringbuf_reserve#131  ; R0=ringbuf_mem_or_null(id=2,sz=8)
; return 0; @ x.bpf.c:9
7: (95) exit
Unreleased reference id=2 alloc_insn=3`, []string{"what bpf_ringbuf_reserve returned in `e = bpf_ringbuf_reserve(&rb, 8, 0);` (line 3)", "ends in `return 0;` (line 9) without releasing it", "bpf_ringbuf_submit or bpf_ringbuf_discard"}, nil},
	} {
		r := verifier.ParseLog(tt.log)
		e, ok := Rejection(r)
		require.True(t, ok, name)
		text := strings.Join(e.Lines(), "\n")
		for _, want := range tt.want {
			assert.Contains(t, text, want, name)
		}
		for _, not := range tt.not {
			assert.NotContains(t, text, not, name)
		}
		assert.NotContains(t, text, "%!", name)
	}
}

// What a map is refused for differs by the error.
func TestMapRefused(t *testing.T) {
	seen := map[string]bool{}
	for _, errno := range []string{"ENOMEM", "E2BIG", "EACCES", "EINVAL", "ENOTSUPP", ""} {
		e, ok := Rejection(verifier.Report{Errno: errno, By: verifier.Kernel, Message: "map big refused: map create: " + errno})
		assert.True(t, ok)
		assert.Equal(t, "map-refused", e.Kind)
		assert.Contains(t, e.Meaning, "big", errno)
		assert.False(t, seen[e.Meaning], errno)
		seen[e.Meaning] = true
	}
}

// Of a kernel's errors without a log, and of what the loading library says.
func TestExplainSpeakers(t *testing.T) {
	for message, want := range map[string][]string{
		"EINVAL without a log (program type Netfilter, attach type Netfilter, 2 instructions)": {"program-type", "Netfilter came with Linux 6.4"},
		"E2BIG without a log (program type XDP, attach type None, 1200000 instructions)":       {"too-many-instructions", "it has 1200000 instructions"},
		"E2BIG without a log (program type XDP, attach type None, 12 instructions)":            {"too-many-instructions", "so it is the attributes"},
		`program p: fixing up kfuncs: kfunc "f": not supported`:                                {"kfunc-missing", "`f`"},
		"program p: attach Tracing/TraceFEntry: fentry do_it not supported":                    {"attach-target", "the function is `do_it`"},
		"kfunc 'f' is referenced but wasn't resolved":                                          {"kfunc-missing", "`f`"},
	} {
		e, ok := Rejection(verifier.Report{Message: message})
		assert.True(t, ok)
		assert.Equal(t, want[0], e.Kind)
		assert.Contains(t, e.Meaning, want[1])
	}
	e, _ := Rejection(verifier.Report{Message: "invalid func unknown#195896080", Relocation: "task_struct.state", Source: "x.bpf.c:14: seen = t->state;"})
	assert.Equal(t, "core-field", e.Kind)
	assert.Contains(t, e.Meaning, "`task_struct.state` in `seen = t->state;` (line 14).")
	e, _ = Rejection(verifier.Report{Message: "frame pointer is read only", Relocation: "nf_conn.mark"})
	assert.Equal(t, "core-field", e.Kind)
}
