// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	mov  = asm.Mov.Imm(asm.R0, 0)
	exit = asm.Return()
)

func TestLongestPath(t *testing.T) {
	tests := []struct {
		name  string
		insns asm.Instructions
		want  int
	}{
		{"exit", asm.Instructions{exit}, 1},
		{"wide load counts once", asm.Instructions{asm.LoadImm(asm.R0, 1<<40, asm.DWord), exit}, 2},
		{"helper counts once", asm.Instructions{asm.FnGetPrandomU32.Call(), exit}, 2},
		{"branch by label", asm.Instructions{
			asm.JEq.Imm(asm.R1, 0, "out"), mov, mov, exit.WithSymbol("out")}, 4},
		// Offsets count wide loads twice.
		{"branch by offset over a wide load", asm.Instructions{
			{OpCode: asm.JEq.Op(asm.ImmSource), Offset: 3}, asm.LoadImm(asm.R0, 1, asm.DWord), exit, mov, mov, exit}, 4},
		{"unreachable", asm.Instructions{asm.Ja.Label("out"), mov, mov, mov, exit.WithSymbol("out")}, 2},
		{"unreachable loop", asm.Instructions{exit, {OpCode: asm.Ja.Op(asm.ImmSource), Offset: -1}}, 1},
		{"long jump by label", asm.Instructions{asm.LongJump("out"), mov, exit.WithSymbol("out")}, 2},
		{"long jump by offset", asm.Instructions{
			{OpCode: asm.OpCode(asm.Jump32Class).SetJumpOp(asm.Ja), Constant: 1}, mov, exit}, 2},
		{"jump backwards without a loop", asm.Instructions{
			asm.Ja.Label("b"), mov.WithSymbol("a"), exit, asm.Ja.Label("a").WithSymbol("b")}, 4},
		{"calls", asm.Instructions{
			asm.Call.Label("f"), asm.Call.Label("g"), exit, // 3
			asm.Call.Label("g").WithSymbol("f"), exit, // 2, twice g below
			mov.WithSymbol("g"), mov, exit}, 3 + 2 + 3 + 3},
		// 12 is also the number of the helper for tail calls.
		{"call 12 instructions ahead", slices.Concat(
			asm.Instructions{{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoCall, Constant: 12}, exit},
			slices.Repeat(asm.Instructions{mov}, 11), asm.Instructions{exit}), 3},
		{"equal branches", asm.Instructions{
			asm.JEq.Imm(asm.R1, 0, "b"), mov, exit, mov.WithSymbol("b"), exit}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := LongestPath(tt.insns)
			require.NoError(t, err)
			assert.Equal(t, tt.want, p.Instructions)

			// After marshaling, labels and names have become offsets.
			require.NoError(t, tt.insns.Marshal(io.Discard, binary.LittleEndian))
			p, err = LongestPath(tt.insns)
			require.NoError(t, err)
			assert.Equal(t, tt.want, p.Instructions)
		})
	}
}

// The lines of a path are those of one way, and of two that are equally long it is the one that falls
// through: a report must not name other lines the next time.
func TestLongestPathWay(t *testing.T) {
	for name, tt := range map[string]struct {
		insns asm.Instructions
		want  []int
	}{
		"falls through":    {asm.Instructions{asm.JEq.Imm(asm.R1, 0, "b"), mov, exit, mov.WithSymbol("b"), exit}, []int{0, 1, 2}},
		"jump is longer":   {asm.Instructions{asm.JEq.Imm(asm.R1, 0, "b"), exit, mov.WithSymbol("b"), exit}, []int{0, 2, 3}},
		"call and go on":   {asm.Instructions{asm.Call.Label("f"), mov, exit, exit.WithSymbol("f")}, []int{0, 3, 1, 2}},
		"calls in a call":  {asm.Instructions{asm.Call.Label("f"), exit, asm.Call.Label("g").WithSymbol("f"), mov, exit, exit.WithSymbol("g")}, []int{0, 2, 5, 3, 4, 1}},
		"fall is longer":   {asm.Instructions{asm.JEq.Imm(asm.R1, 0, "b"), mov, exit, exit.WithSymbol("b")}, []int{0, 1, 2}},
		"choice in a call": {asm.Instructions{asm.Call.Label("f"), exit, asm.JEq.Imm(asm.R1, 0, "b").WithSymbol("f"), exit, exit.WithSymbol("b")}, []int{0, 2, 3, 1}},
	} {
		g := newGraph(tt.insns, all)
		require.NoError(t, g.visit(0), name)
		var way []int
		g.walk(0, func(i int) { way = append(way, i) })
		assert.Equal(t, tt.want, way, name)
	}
}

func TestLongestPathUnbounded(t *testing.T) {
	doubling := asm.Instructions{asm.Call.Label("f0"), exit}
	for i := range 64 {
		next := "f" + string(rune('0'+i+1))
		doubling = append(doubling, asm.Call.Label(next).WithSymbol("f"+string(rune('0'+i))), asm.Call.Label(next), exit)
	}
	doubling = append(doubling, exit.WithSymbol("f"+string(rune('0'+64))))

	for name, tt := range map[string]struct {
		insns asm.Instructions
		want  string
	}{
		"loop":            {asm.Instructions{mov.WithSymbol("a"), asm.JEq.Imm(asm.R1, 0, "a"), exit}, "instruction 1: the longest path of a loop"},
		"loop on itself":  {asm.Instructions{{OpCode: asm.Ja.Op(asm.ImmSource), Offset: -1}}, "loop"},
		"recursion":       {asm.Instructions{asm.Call.Label("f"), exit, asm.Call.Label("f").WithSymbol("f"), exit}, "recursion"},
		"mutual":          {asm.Instructions{asm.Call.Label("f"), exit, asm.Call.Label("g").WithSymbol("f"), exit, asm.Call.Label("f").WithSymbol("g"), exit}, "recursion"},
		"tail call":       {asm.Instructions{asm.FnTailCall.Call(), exit}, "tail call"},
		"callback":        {asm.Instructions{{OpCode: asm.LoadImmOp(asm.DWord), Src: asm.PseudoFunc}, exit}, "callback"},
		"may_goto":        {asm.Instructions{{OpCode: asm.JCOND.Op(asm.ImmSource)}, exit}, "may_goto"},
		"computed jump":   {asm.Instructions{{OpCode: asm.Ja.Op(asm.RegSource)}, exit}, "computed jump"},
		"no exit":         {asm.Instructions{mov}, "leads out of the program"},
		"falls out":       {asm.Instructions{asm.Ja.Label("b"), exit.WithSymbol("a"), asm.JEq.Imm(asm.R1, 0, "a").WithSymbol("b")}, "instruction 2: leads out of the program"},
		"into wide load":  {asm.Instructions{{OpCode: asm.Ja.Op(asm.ImmSource), Offset: 1}, asm.LoadImm(asm.R0, 1, asm.DWord), exit}, "leads out of the program"},
		"nothing":         {nil, "no instructions"},
		"calls that grow": {doubling, "over 1000000 instructions"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LongestPath(tt.insns)
			var u *UnboundedError
			require.ErrorAs(t, err, &u)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

// A path of MaxPath instructions is told, and one more is not.
func TestLongestPathMax(t *testing.T) {
	calls := func(n, length int) asm.Instructions { // n calls of a function of that length
		f := slices.Repeat(asm.Instructions{mov}, length)
		f[0], f[length-1] = f[0].WithSymbol("f"), exit
		return slices.Concat(slices.Repeat(asm.Instructions{asm.Call.Label("f")}, n), asm.Instructions{exit}, f)
	}
	p, err := LongestPath(calls(1001, 998)) // each call is an instruction as well
	require.NoError(t, err)
	assert.Equal(t, MaxPath, p.Instructions)
	_, err = LongestPath(append(asm.Instructions{mov}, calls(1001, 998)...))
	assert.ErrorContains(t, err, "over 1000000 instructions")
}

// TestLongestPathExhaustively compares with following every path, on random
// programs that only jump forward.
func TestLongestPathExhaustively(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		n := 2 + rng.IntN(14)
		insns := make(asm.Instructions, n)
		for i := range insns[:n-1] {
			insns[i] = mov
			if rng.IntN(2) == 0 {
				insns[i] = asm.Instruction{OpCode: asm.JEq.Op(asm.ImmSource), Offset: int16(rng.IntN(n - 1 - i))}
			}
		}
		insns[n-1] = exit

		var follow func(i int) int
		follow = func(i int) int {
			if i == n-1 {
				return 1
			}
			l := follow(i + 1)
			if insns[i].OpCode.JumpOp() == asm.JEq {
				l = max(l, follow(i+1+int(insns[i].Offset)))
			}
			return l + 1
		}
		p, err := LongestPath(insns)
		require.NoError(t, err)
		require.Equal(t, follow(0), p.Instructions, "%v", insns)
	}
}

func TestLongestPathOfCompiled(t *testing.T) {
	load := func(text string) asm.Instructions {
		spec, err := counter.Check(compile(t, text))
		require.NoError(t, err)
		return spec.Programs["count_packets"].Instructions
	}

	p, err := LongestPath(load(header + counts + program))
	require.NoError(t, err)
	assert.Greater(t, p.Instructions, 8)
	sum := 0
	var lines []string
	for _, l := range p.Lines {
		assert.Equal(t, "counter.bpf.c", l.File)
		sum += l.Instructions
		lines = append(lines, l.Text)
	}
	assert.Equal(t, p.Instructions, sum, "every instruction has its line")
	assert.Contains(t, strings.Join(lines, "\n"), "c->packets++;")

	// A static function is appended to the program and found by name.
	text := header + counts + "static __attribute__((noinline)) int f(int a) { return a * verdict; }\n" +
		strings.Replace(program, "return verdict", "return f(key)", 1)
	p, err = LongestPath(load(text))
	require.NoError(t, err)
	lines = nil
	for _, l := range p.Lines {
		lines = append(lines, l.Text)
	}
	all := strings.Join(lines, "\n")
	assert.Contains(t, all, "return f(key);")
	assert.Contains(t, all, "return a * verdict;")

	_, err = LongestPath(load(body("for (int i = 0; i < (int)verdict; i++)\n\tbpf_get_prandom_u32();\n")))
	assert.EqualError(t, err, "counter.bpf.c:19: the longest path of a loop has no static bound; unroll it")
}

// Lines are counted from 1, and the first is one like any other.
func TestLongestPathFirstLine(t *testing.T) {
	spec, err := Parse(compile(t, `__attribute__((section("xdp"))) int f(void *ctx) { return 2; }`))
	require.NoError(t, err)
	p, err := LongestPath(spec.Programs["f"].Instructions)
	require.NoError(t, err)
	require.Len(t, p.Lines, 1)
	assert.Equal(t, 1, p.Lines[0].Number)
}

func BenchmarkLongestPath(b *testing.B) {
	insns := make(asm.Instructions, 100_000)
	for i := range insns {
		insns[i] = asm.Instruction{OpCode: asm.JEq.Op(asm.ImmSource), Offset: 0}
	}
	insns[len(insns)-1] = exit
	for b.Loop() {
		_, err := LongestPath(insns)
		require.NoError(b, err)
	}
}
