// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/verifier"
)

func pathOf(t *testing.T, log string) Path {
	t.Helper()
	p, ok := PathOf(verifier.ParseLog(log))
	require.True(t, ok)
	return p
}

// bearing returns the numbers of the steps that bear on the rejection.
func bearing(p Path) (numbers []int) {
	for _, s := range p.Steps {
		if s.Bears {
			numbers = append(numbers, s.Number)
		}
	}
	return numbers
}

// The kernels word states differently and 5.10 logs all paths: it is one path.
func TestPathOfKernels(t *testing.T) {
	raw, err := os.ReadFile("../../verifier/testdata/rejected-5.10.log")
	require.NoError(t, err)
	old := pathOf(t, string(raw))
	assert.Equal(t, []Value{{"r6", "packet, 4 bytes checked"}}, old.Used)

	// From level 2 of 5.10: instruction 2 is reached by the branch at 1, and the other path is left out.
	p := pathOf(t, `0: R1=ctx(id=0,off=0,imm=0) R10=fp0
0: (79) r2 = *(u64 *)(r1 +0)
1: R1=ctx(id=0,off=0,imm=0) R2_w=inv(id=0) R10=fp0
1: (15) if r2 == 0x5 goto pc+2
 R1=ctx(id=0,off=0,imm=0) R2_w=inv(id=0) R10=fp0
2: R1=ctx(id=0,off=0,imm=0) R2_w=inv(id=0) R10=fp0
2: (b7) r0 = 0
3: R0_w=inv0 R1=ctx(id=0,off=0,imm=0) R2_w=inv(id=0) R10=fp0
3: (95) exit

from 1 to 4: R1=ctx(id=0,off=0,imm=0) R2_w=inv5 R10=fp0
4: (79) r0 = *(u64 *)(r2 +0)
R2 invalid mem access 'inv'
`)
	require.Len(t, p.Steps, 4)
	assert.Equal(t, Step{Number: 1, Text: "if r2 == 0x5 goto pc+2", Branch: "taken", Changed: []Value{{"r2", "5"}}, Bears: true}, p.Steps[2])
	assert.Equal(t, []Value{{"r2", "5"}}, p.Used)
	assert.Equal(t, []int{0, 1, 4}, bearing(p))
}

// What a comparison shows of one copy holds for the others, of which the log says nothing.
func TestPathCopies(t *testing.T) {
	p := pathOf(t, `0: R1=ctx() R10=fp0
0: (85) call bpf_map_lookup_elem#1    ; R0_w=map_value_or_null(id=3,map=m,ks=4,vs=8)
1: (bf) r6 = r0                       ; R0_w=map_value_or_null(id=3,map=m,ks=4,vs=8) R6_w=map_value_or_null(id=3,map=m,ks=4,vs=8)
2: (bf) r7 = r9                       ; R7_w=map_value_or_null(id=4,map=m,ks=4,vs=8)
3: (15) if r6 == 0x0 goto pc+2        ; R6_w=map_value(map=m,ks=4,vs=8)
4: (79) r1 = *(u64 *)(r0 +8)
invalid access to map value, value_size=8 off=8 size=8
R0 min value is outside of the allowed memory range
`)
	assert.Equal(t, []Value{{"r0", "value of m, 8 bytes"}, {"r6", "value of m, 8 bytes"}}, p.Steps[4].Changed)
	assert.Equal(t, []Value{{"r0", "value of m, 8 bytes"}}, p.Used)
	assert.Equal(t, []int{0, 3, 4}, bearing(p))
}

// A call takes the values of R1 to R5; what was saved on the stack comes back.
func TestPathCalls(t *testing.T) {
	p := pathOf(t, `0: R1=ctx() R10=fp0
0: (b7) r2 = 7                        ; R2_w=7
1: (7b) *(u64 *)(r10 -8) = r2         ; R2_w=7 fp-8_w=7
2: (85) call bpf_ktime_get_ns#5       ; R0=scalar()
3: (79) r3 = *(u64 *)(r10 -8)         ; R3_w=7
4: (0f) r3 += r2
R2 !read_ok
`)
	assert.Equal(t, []Value{{"r3", "7"}, {"r2", "without a value: a call before has taken it"}}, p.Used)
	assert.Equal(t, []int{2, 4}, bearing(p), "the call")
	p = pathOf(t, `0: R1=ctx() R10=fp0
0: (b7) r2 = 7                        ; R2_w=7
1: (7b) *(u64 *)(r10 -8) = r2         ; R2_w=7 fp-8_w=7
2: (79) r3 = *(u64 *)(r10 -8)         ; R3_w=7
3: (79) r3 = *(u64 *)(r3 +0)
R3 invalid mem access 'scalar'
`)
	assert.Equal(t, []int{0, 1, 2, 3}, bearing(p))
}

// Results and arguments of functions are followed.
func TestPathFunctions(t *testing.T) {
	p := pathOf(t, `0: R1=ctx() R10=fp0
0: (b7) r1 = 4                        ; R1_w=4
1: (b7) r2 = 5                        ; R2_w=5
2: (85) call pc+2
caller:
 R6=7 R10=fp0
callee:
 frame1: R1_w=4 R2_w=5 R10=fp0
5: frame1: R1_w=4 R2_w=5 R10=fp0
5: (bf) r0 = r1                       ; frame1: R0_w=4 R1_w=4
6: (95) exit
returning from callee:
 frame1: R0_w=4 R1_w=4 R10=fp0
to caller at 3:
 R0_w=4 R10=fp0
3: R0_w=4 R10=fp0
3: (79) r0 = *(u64 *)(r0 +0)
R0 invalid mem access 'scalar'
`)
	assert.Equal(t, []int{0, 2, 5, 6, 3}, bearing(p))
	assert.Equal(t, []Value{{"r1", "4"}, {"r2", "5"}}, p.Steps[3].Changed, "the function's registers are new")
	assert.Equal(t, []Value{{"r0", "4"}}, p.Steps[5].Changed)
	assert.Equal(t, []int{0, 0, 0, 0, 1, 1, 0}, func() (d []int) {
		for _, s := range p.Steps {
			d = append(d, s.Depth)
		}
		return d
	}())
}

// What is still open has no register: it was opened somewhere, and the branches since lead past its end.
func TestPathOpen(t *testing.T) {
	for message, want := range map[string][]int{
		"Unreleased reference id=2 alloc_insn=1":                                          {1, 2, 4},
		"BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region": {0, 2, 4},
		"the call stack of 9 frames is too deep":                                          nil,
		"Unreleased reference id=2 alloc_insn=77":                                         nil,
	} {
		p := pathOf(t, `0: R1=ctx() R10=fp0
0: (85) call bpf_spin_lock#93
1: (85) call bpf_ringbuf_reserve#131 ; R0=ringbuf_mem_or_null(id=2,sz=16)
2: (15) if r0 == 0x0 goto pc+1       ; R0=ringbuf_mem(id=2,sz=16)
3: (b7) r0 = 0                       ; R0=0
4: (95) exit
`+message+"\n")
		assert.Equal(t, want, bearing(p), message)
	}
}

// A log of all paths does not show the last instruction of one on which nothing is new.
func TestPathIntoLoop(t *testing.T) {
	p := pathOf(t, `0: R1=ctx(id=0,off=0,imm=0) R10=fp0
0: (b7) r2 = 7
1: R1=ctx(id=0,off=0,imm=0) R2_w=inv7 R10=fp0
1: (bf) r3 = r1
2: R1=ctx(id=0,off=0,imm=0) R2_w=inv7 R3_w=ctx(id=0,off=0,imm=0) R10=fp0
2: (55) if r2 != 0x8 goto pc-2
 R1=ctx(id=0,off=0,imm=0) R2_w=inv8 R10=fp0
3: (b7) r0 = 0
4: (95) exit
infinite loop detected at insn 1
`)
	last := p.Steps[len(p.Steps)-1]
	assert.Equal(t, 2, last.Number)
	assert.Equal(t, "taken", last.Branch)
}

func TestBrief(t *testing.T) {
	for state, want := range map[string]string{
		"inv(id=0)": "any number", "P5": "5", "scalar(smin=-5,smax=9)": "-5 to 9", "scalar(smax32=7)": "any number, its low 32 bits at most 7 (signed)",
		"scalar(umin32=3)": "any number, its low 32 bits at least 3", "inv(id=0,u32_max_value=9)": "any number, its low 32 bits 0 to 9", "scalar(smin32=-4,smax32=0x7)": "any number, its low 32 bits -4 to 7",
		"ctx()": "context", "ctx(off=12,imm=0)": "context + 12", "fp0": "frame pointer", "fp-16": "address of fp-16",
		"pkt(r=14,imm=14)": "packet + 14, 14 bytes checked", "pkt(id=0,off=0,r=0,imm=0)": "packet, nothing checked", "pkt_end()": "packet's end",
		"pkt(id=2,off=18,r=20,umax_value=60,var_off=(0x0; 0x3c))": "packet + (0 to 60) + 18, 20 bytes checked",
		"map_value(id=0,off=-4,ks=4,vs=8,imm=0)":                  "map value - 4, 8 bytes", "map_value_or_null(id=1,map=counts,ks=4,vs=8)": "value of counts, 8 bytes, or NULL",
		"map_ptr(map=events,ks=0,vs=0)": "map events", "ringbuf_mem_or_null(id=2,sz=16)": "ringbuf memory, 16 bytes, or NULL", "mem(id=0,ref_obj_id=2,off=0,imm=0)": "memory",
		"trusted_ptr_task_struct(imm=16)": "trusted struct task_struct * + 16", "ptr_or_null_task_struct(id=1)": "struct task_struct *, or NULL", "sock_common_or_null(id=3)": "sock common, or NULL",
	} {
		assert.Equal(t, want, brief("R1", state), state)
	}
	for state, want := range map[string]string{
		"mmmmmmmm": "8 bytes written", "0000????": "4 of 8 bytes zero", "????mmmm": "4 of 8 bytes written", "????????": "not written", "inv7": "7", "0": "0", "dddddddd": "dynptr", "iiiiiiii": "iterator",
		"0????": "0, in 4 bytes", "???????scalar(smin=0,smax=umax=0xff)": "0 to 255, in 1 byte", "map_value(map=m,ks=4,vs=8)": "value of m, 8 bytes", "5mmmm": "5, in 4 bytes",
	} {
		assert.Equal(t, want, brief("fp-8", state), state)
	}
}

// A log of many paths is read in time that grows with its length: otherwise this one would take hours.
func TestTraceOfManyBranches(t *testing.T) {
	var log strings.Builder
	for range 20_000 {
		log.WriteString("1: (15) if r1 == 0x0 goto pc+5\n2: (95) exit\nfrom 7 to 9: R1=2\n")
	}
	assert.Len(t, parseTrace(strings.Split(log.String(), "\n")), 60_000)
}

// A pointer that a call has voided is a number from there on, which verifiers do not write at the call.
func TestPathVoided(t *testing.T) {
	p := pathOf(t, `0: R1=ctx() R10=fp0
0: (bf) r6 = r1                       ; R1=ctx() R6_w=ctx()
1: (61) r7 = *(u32 *)(r1 +76)         ; R7_w=pkt(r=8)
2: (b7) r2 = 8                        ; R2_w=8
3: (85) call bpf_skb_pull_data#39     ; R0=scalar()
4: (71) r0 = *(u8 *)(r7 +0)
R7 invalid mem access 'scalar'
`)
	gone := Value{"r7", "a number, no pointer any more"}
	assert.Equal(t, []Value{{"r0", "any number"}, gone}, p.Steps[4].Changed)
	assert.Equal(t, []int{1, 3, 4}, bearing(p))
	assert.Equal(t, []Value{{"r7", "any number"}}, p.Used)

	p = pathOf(t, `0: R1=ctx() R10=fp0
0: (85) call bpf_dynptr_data#203      ; R0_w=mem_or_null(id=4,sz=8)
1: (bf) r6 = r0                       ; R0_w=mem_or_null(id=4,sz=8) R6_w=mem_or_null(id=4,sz=8)
2: (85) call bpf_ringbuf_submit_dynptr#199      ;
3: (15) if r6 == 0x0 goto pc+2        ; R6=scalar(smin=umin=1)
4: (73) *(u8 *)(r6 +0) = r1
R6 invalid mem access 'scalar'
`)
	assert.Equal(t, []Value{{"r6", "a number, no pointer any more"}}, p.Steps[3].Changed)
	assert.Equal(t, []int{0, 1, 2, 3, 4}, bearing(p))
}

// On the other way out of a branch, too; a register that is set anew is none of that.
func TestPathVoidedBeforeBranch(t *testing.T) {
	p := pathOf(t, `0: R1=ctx() R6=mem(sz=8) R7=mem(sz=8) R10=fp0
0: (85) call bpf_ringbuf_submit#132
1: (b7) r7 = 3                       ; R7=3
2: (15) if r6 == 0x0 goto pc+2       ; R6=scalar(umin=1)
3: (95) exit

from 2 to 5: R6=0 R7=3 R10=fp0
5: (73) *(u8 *)(r6 +0) = r7
R6 invalid mem access 'scalar'
`)
	assert.Equal(t, []Value{{"r6", "a number, no pointer any more"}}, p.Steps[1].Changed)
	assert.Equal(t, []Value{{"r6", "0"}}, p.Steps[3].Changed)
	assert.Equal(t, "taken", p.Steps[3].Branch)
}

// A pointer that turns out to be NULL was not voided.
func TestPathNull(t *testing.T) {
	p := pathOf(t, `0: R1=ctx() R6=mem_or_null(id=2,sz=8) R7=mem(sz=8) R10=fp0
0: (85) call bpf_ringbuf_submit#132
1: (15) if r6 == 0x0 goto pc+2 4: R6=0 R7=mem(sz=8) R10=fp0
4: (73) *(u8 *)(r6 +0) = r7
R6 invalid mem access 'scalar'
`)
	assert.Empty(t, p.Steps[1].Changed)
	assert.Equal(t, []Value{{"r6", "0"}}, p.Steps[2].Changed)
}

// A function that is called again begins anew.
func TestPathCalledTwice(t *testing.T) {
	call := `0: (85) call pc+2
caller:
 R10=fp0
callee:
 frame1: R1=ctx() R10=fp0
3: frame1: R1=ctx() R10=fp0
3: (7a) *(u64 *)(r10 -8) = 0 ; frame1: R10=fp0 fp-8=0
4: (95) exit
returning from callee:
 frame1: R1=ctx() R10=fp0
to caller at 1:
 R10=fp0
`
	p := pathOf(t, "0: R1=ctx() R10=fp0\n"+call+call+"1: (b7) r0 = 0 ; R0=0\n2: (95) exit\nR0 is bad\n")
	for _, i := range []int{1, 4} {
		assert.Equal(t, []Value{{"r1", "context"}}, p.Steps[i].Changed)
		assert.Equal(t, []Value{{"fp-8", "0"}}, p.Steps[i+1].Changed)
	}
}

// A log that does not say from which branch a path comes: from none that it came from before.
func TestTraceComesBackOnce(t *testing.T) {
	tr := parseTrace([]string{"1: (15) if r1 == 0x0 goto pc+2", "2: (95) exit", "4: R1=2", "4: (95) exit", "2: R1=3", "2: (95) exit"})
	require.Len(t, tr, 6)
	assert.Equal(t, 0, tr[2].before)
	assert.Equal(t, -1, tr[4].before)
}

// What an instruction sets is shown even if it is as before, and instructions of no line belong to the last one.
func TestPathSets(t *testing.T) {
	p := pathOf(t, `0: R1=ctx() R10=fp0
; x = 1; @ a.c:4
0: (b7) r2 = 1                        ; R2_w=1
;  @ a.c:0
1: (b7) r2 = 1                        ; R2_w=1
2: (79) r0 = *(u64 *)(r2 +0)
R2 invalid mem access 'scalar'
`)
	assert.Equal(t, []Value{{"r2", "1"}}, p.Steps[2].Changed)
	assert.Equal(t, "a.c:4: x = 1;", p.Steps[2].Source)
}
