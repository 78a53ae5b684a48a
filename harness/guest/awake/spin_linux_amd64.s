// SPDX-License-Identifier: Apache-2.0

#include "go_asm.h"
#include "textflag.h"

#define NOP8 LONG $0x90909090; LONG $0x90909090
#define NOP64 NOP8; NOP8; NOP8; NOP8; NOP8; NOP8; NOP8; NOP8
#define NOP512 NOP64; NOP64; NOP64; NOP64; NOP64; NOP64; NOP64; NOP64
#define CLOCK RDTSC; SHLQ $32, DX; ORQ DX, AX

#define SYS_CLONE 56
#define SYS_SCHED_YIELD 24
#define CLONE_VM 0x100 // and no signal at its end, which does not come

// func nothing(rounds int)
TEXT ·nothing(SB), NOSPLIT, $0-8
	MOVQ rounds+0(FP), BX

again:
	NOP512
	DECQ BX
	JNZ again
	RET

// func spin() (pid int)
//
// Only the caller returns. The new process shares its memory, and touches none.
TEXT ·spin(SB), NOSPLIT, $0-8
	MOVQ $SYS_CLONE, AX
	MOVQ $CLONE_VM, DI
	XORQ SI, SI
	XORQ DX, DX
	XORQ R10, R10
	XORQ R8, R8
	SYSCALL
	TESTQ AX, AX
	JZ now
	MOVQ AX, pid+0(FP)
	RET

now:
	CLOCK
	MOVQ AX, R12 // when it last looked

look:
	MOVQ $const_lookRounds, BX
	XORQ R14, R14

round:
	NOP512
	DECQ BX
	JNZ round
	TESTQ R14, R14
	JNZ yield
	CLOCK
	MOVQ AX, R13
	SUBQ R12, R13
	MOVQ AX, R12
	CMPQ R13, $const_longAway
	JLT look
	MOVQ $const_yieldRounds, BX
	MOVQ $1, R14
	JMP round

yield:
	MOVQ $SYS_SCHED_YIELD, AX
	SYSCALL
	JMP now
