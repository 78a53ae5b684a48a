// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"regexp"

	"bpflab/harness/verifier"
)

// Of control flow, single instructions, and the program as a whole.
var flowKinds = []kind{
	{Explanation{"infinite-loop",
		"The loop comes round with nothing changed that the verifier keeps track of, so that it may never end.",
		"Loop up to a constant, over a counter that each round changes: `for (i = 0; i < N; i++)`."},
		regexp.MustCompile(`infinite loop detected at insn (\d+)`), nil, nil, infiniteLoop},
	{Explanation{"recursion",
		"A function calls itself, directly or by way of others.",
		"Write it as a loop with a constant bound."},
		// 5.10 and 6.1 say "back-edge from insn 5 to 0", of any loop where the user has no
		// privileges. 6.12 and 6.18 count the frames, see call-depth.
		regexp.MustCompile(`back-edge (?:from insn|is not allowed)|recursive (?:call|subprogram call)`), nil, nil, plain},
	{Explanation{"too-complex",
		"The verifier has followed a million instructions and was not done: it goes through loops round by round, and each branch in them multiplies the paths.",
		"Have fewer variables change from round to round: a counter that some branches add to makes each round different, a flag does not. Then lower the loop's bound, and have fewer branches in it. From 5.17 on, bpf_loop verifies a body once."},
		regexp.MustCompile(`BPF program is too large\. Processed (\d+) insn|too many iterations|exceeded complexity limit|iteration limit reached`), nil, nil, tooComplex},
	{Explanation{"too-many-jumps",
		"More than 8192 branches are open at once: too many conditions come one after the other, or come again in each round of a long loop.",
		"Replace a chain of tests with a look-up in a map or a table, and lower the bounds of loops that have branches in them."},
		// Many kernels say it, and end with EFAULT, of which Load brings no log.
		regexp.MustCompile(`The sequence of (\d+) jumps is too complex|` + regexp.QuoteMeta(verifier.GaveUp)), nil, nil, plain},
	{Explanation{"unreachable",
		"There is code that no path leads to.",
		"Remove what stands after an endless loop or a `return`. The compiler drops such code by itself, except in assembly."},
		regexp.MustCompile(`unreachable (?:insn|instruction)`), nil, nil, plain},
	{Explanation{"no-exit",
		"The program or a function runs beyond its last instruction.",
		"Return a value on every path. The compiler leaves an end out where it takes it for unreachable: undefined behaviour, __builtin_unreachable, or a `naked` function."},
		regexp.MustCompile(`last insn is not an exit or jmp|jump out of range from insn|subprogram can fall through|unexpected __bpf_trap|invalid insn idx`), nil, nil, plain},

	// Instructions.
	{Explanation{"atomic-fetch",
		"This kernel knows only the atomic addition that does not return the old value: the others came with 5.12.",
		"Do not use the result of __sync_fetch_and_add, nor its exchange and compare-and-exchange forms, where 5.10 has to load the program. Per-CPU data needs no atomics at all."},
		regexp.MustCompile(`BPF_STX uses reserved fields|BPF_XADD uses reserved fields|BPF_ATOMIC uses invalid atomic opcode`), nil, nil, plain},
	{Explanation{"atomic-pointer",
		"An atomic operation works on 4 or 8 bytes of a map's value, of the stack or of other memory of the program's, not on this kind of pointer and not on less.",
		"Keep the counter in a map's value or a global variable of 32 or 64 bits, aligned to its size."},
		regexp.MustCompile(`BPF_(?:ATOMIC|XADD|ST|STX) (?:stores into|loads from) R\d+ \S+ is not allowed|invalid atomic operand size`), nil, nil, nil},
	{Explanation{"div-by-zero",
		"The program divides by the constant zero.",
		"Test the divisor before the division. A variable that is zero as the program runs gives 0, and is not rejected."},
		regexp.MustCompile(`div by zero`), nil, nil, plain},
	{Explanation{"invalid-shift",
		"The program shifts by as many bits as the register has, or more.",
		"Shift a 64-bit value by 0 to 63, a 32-bit one by 0 to 31."},
		regexp.MustCompile(`invalid shift`), nil, nil, plain},
	{Explanation{"instruction-too-new",
		"This kernel does not know the instruction, or not in this form: the compiler used a later instruction set, or assembly or a loader made it wrong.",
		"Compile for the oldest kernel: -mcpu=v3 for 5.10, -mcpu=v2 for less; -mcpu=v4 needs 6.6."},
		regexp.MustCompile(`unknown opcode|uses reserved fields|invalid BPF_(?:LD|ALU|JMP|LDX|LD_IMM)\b|invalid bpf_ld_imm64|unrecognized bpf_ld_imm64|unknown insn class|jump into (?:the middle of )?ldimm64|addr_space_cast|^R1[1-5] is invalid`), nil, nil, plain},

	// The whole.
	{Explanation{"privileges",
		"The user who loads the program may not: this needs CAP_BPF, and CAP_PERFMON for tracing or CAP_NET_ADMIN for networking, or root.",
		"Load it as root, or give the loader these capabilities."},
		regexp.MustCompile(`(?i)calling (?:other bpf|kernel functions)|allowed (?:only )?(?:for|to) (?:root|CAP_)|require[sd]? CAP_|prohibited for !root|Operation not permitted`), nil, nil, plain},
	{tooManyMaps, regexp.MustCompile(`total number of maps per program has reached the limit|too many (?:maps|subprograms)|The total number of btfs`), nil, nil, plain},
	{Explanation{"btf",
		"The kernel does not accept the type information that comes with the program or map, or has none of its own.",
		"Compile with a clang that the kernel knows, and let the loader adapt the types, as libbpf and cilium/ebpf do. A kernel without BTF was built without CONFIG_DEBUG_INFO_BTF."},
		regexp.MustCompile(`in-kernel BTF is malformed|(?:requires?|need valid) (?:prog )?BTF|without CONFIG_DEBUG_INFO_BTF|is not a module BTF|Invalid BTF|kernel is missing BTF|btf_vmlinux is malformed|func_info|line_info|core_relo|Invalid (?:btf_info|name|type_id|member|func linkage|btf)|magic: 0x|hdr_len|load BTF: `), nil, nil, ofBTF},
	{Explanation{"jit",
		"This needs the kernel's JIT compiler, and it is off, or this machine's does not support it.",
		"Turn it on: `sysctl net.core.bpf_jit_enable=1`, with a kernel that has CONFIG_BPF_JIT."},
		regexp.MustCompile(`JIT (?:doesn't|does not) support|JIT is required|non-JITed programs|only JITed progs|should be JITed|not supported by jit`), nil, nil, plain},
	{Explanation{"arena",
		"An arena's pointers are used in a way that programs must not: with another arena, another kind of pointer at the same instruction, or an operation that arenas do not have.",
		"Use one arena for each program, and keep its pointers in variables declared `__arena`."},
		regexp.MustCompile(`(?i)\barena\b`), nil, nil, arena},
	{Explanation{"verifier-bug",
		"The verifier says that it has met an error of its own. Your program made it show; the error is the kernel's.",
		"Update the kernel within its series, and report the program if that does not help. Written differently, the program may load."},
		regexp.MustCompile(`(?i)verifier (?:internal error|bug)|misconfigured|\bBUG\b|internal bug|REG INVARIANTS VIOLATION|range bounds violation|allocated_stack too small|unknown (?:stack slot type|iter state|return type)`), nil, nil, plain},
}
