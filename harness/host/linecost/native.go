// SPDX-License-Identifier: Apache-2.0

package linecost

import (
	"bytes"

	"golang.org/x/arch/x86/x86asm"
)

// length is how many machine instructions of x86-64 run for one instruction of BPF, whose code is code[from:to]. The
// kernel's code for a division, or a load that may fault, jumps over what only the rare case needs: such jumps, which
// stay within, are taken. exits tells that the code ends a function; it may jump to where another exit cleans up.
// It is 0 for code that cannot be read.
func length(code []byte, from, to int, exits bool) (n int) {
	for at := from; at >= 0 && at < len(code) && (exits || at < to) && n <= to-from+len(code); {
		ins, err := decode(code[at:])
		if err != nil {
			return 0
		}
		n++
		next := at + ins.Len
		rel, jumps := ins.Args[0].(x86asm.Rel)
		target := next + int(rel)
		switch {
		case ins.Op == x86asm.RET:
			return n
		case !jumps || ins.Op == x86asm.CALL:
		case exits && ins.Op == x86asm.JMP, target > next && target <= to:
			next = target
		}
		at = next
	}
	return n
}

// endbr64 marks where indirect branches may lead. It does nothing, and the decoder does not know it.
var endbr64 = []byte{0xf3, 0x0f, 0x1e, 0xfa}

const (
	vex3      = 0xc4 // begins shifts of BMI2, which the decoder does not know: of registers only, 5 bytes
	vex3bytes = 5
)

func decode(code []byte) (x86asm.Inst, error) {
	switch {
	case bytes.HasPrefix(code, endbr64):
		return x86asm.Inst{Op: x86asm.NOP, Len: len(endbr64)}, nil
	case len(code) >= vex3bytes && code[0] == vex3:
		return x86asm.Inst{Op: x86asm.SHL, Len: vex3bytes}, nil
	}
	return x86asm.Decode(code, 64)
}
