// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// func outs(port uint16, p *byte, n uintptr)
TEXT ·outs(SB), NOSPLIT, $0-24
	MOVWLZX port+0(FP), DX
	MOVQ p+8(FP), SI
	MOVQ n+16(FP), CX
	CLD
	REP
	OUTSB
	RET

// func ins(port uint16, p *byte, n uintptr)
TEXT ·ins(SB), NOSPLIT, $0-24
	MOVWLZX port+0(FP), DX
	MOVQ p+8(FP), DI
	MOVQ n+16(FP), CX
	CLD
	REP
	INSB
	RET

// func outw(port, value uint16)
TEXT ·outw(SB), NOSPLIT, $0-4
	MOVWLZX port+0(FP), DX
	MOVWLZX value+2(FP), AX
	OUTW
	RET

// func inb(port uint16) byte
TEXT ·inb(SB), NOSPLIT, $0-9
	MOVWLZX port+0(FP), DX
	INB
	MOVB AX, ret+8(FP)
	RET
