// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

#define SYS_clone	56
#define SYS_exit	60
#define CLONE_VM_VFORK	0x4100

// func another(number, first, n uintptr) (pid int)
//
// The child runs on this stack: it writes nothing to it, and never returns.
TEXT ·another(SB), NOSPLIT, $0-32
	MOVQ $CLONE_VM_VFORK, DI
	XORQ SI, SI
	XORQ DX, DX
	XORQ R10, R10
	XORQ R8, R8
	MOVQ $SYS_clone, AX
	SYSCALL
	TESTQ AX, AX
	JEQ  child
	MOVQ AX, pid+24(FP)
	RET

child:
	MOVQ n+16(FP), R12

next:
	MOVQ number+0(FP), AX
	MOVQ first+8(FP), DI
	XORQ SI, SI
	XORQ DX, DX
	SYSCALL
	DECQ R12
	JNZ  next
	XORQ DI, DI
	MOVQ $SYS_exit, AX
	SYSCALL
	INT  $3
