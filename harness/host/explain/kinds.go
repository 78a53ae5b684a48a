// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"regexp"

	"bpflab/harness/verifier"
)

// Instructions as a log shows them.
var (
	calls  = regexp.MustCompile(`\(85\) call `)
	stores = regexp.MustCompile(`\) (?:lock )?\*\(u\d+ \*\)\(r\d+ [+-]\d+\) [-+&|^]?= `)
)

// kinds are in order: where two match, the first is the more telling. Where kernels word a
// kind differently, a comment says which says what; testdata/messages.txt has what each says.
// A series takes words over from later ones in its updates: patterns know the old ones too.
var kinds = []kind{
	// Pointers that may be NULL.
	{Explanation{"null-check",
		"The pointer may be NULL here: a look-up finds nothing, or a reservation finds no room. This holds for arrays too, whose look-up fails for a key out of range.",
		"Test the pointer, as in `if (!p) return …;`, on every path that leads to this line, before it is used or added to."},
		regexp.MustCompile(`invalid mem access '\w+_or_null'|type=\w+_or_null expected=|null-check it first|Possibly NULL pointer passed`), nil, nil},

	{Explanation{"null-branch",
		"The pointer is NULL here: it was tested, and the branch for NULL goes on to this line.",
		"Let the branch that handles NULL end with `return`, so that only a pointer that is not NULL comes here."},
		regexp.MustCompile(`^R\d+ invalid mem access '(?:inv|scalar)'`), nil, null},

	// Packets.
	{Explanation{"packet-bounds",
		"The packet may end before the last byte that is read or written here: the program has not compared with data_end as far as that.",
		"Before the access, test `if (p + size > data_end) return …;` with the same pointer that is then used, and with a size that covers the whole access. Check again after each step to a next header."},
		regexp.MustCompile(`invalid access to packet|offset is outside of the packet`), nil, nil},
	{Explanation{"packet-readonly",
		"Programs of this type may read packets, not change them.",
		"Change a copy, or attach the program where packets may be changed: XDP, tc, or a helper made for it."},
		regexp.MustCompile(`cannot write into packet`), nil, nil},

	// Maps and memory.
	{Explanation{"rodata-write",
		"This is constant data: it is set before the program is loaded and read-only from then on, so that the verifier can rely on its value.",
		"Drop `const` for a variable that the program changes, or write to another one."},
		regexp.MustCompile(`write into map forbidden|cannot write into rdonly_\w*mem`), nil, nil},
	{Explanation{"length-negative",
		"The length that is passed to a helper may be negative, which it would take for a huge one.",
		"Make the length unsigned and bound it right before the call: `if (len > sizeof(buf)) return …;`, or `len &= sizeof(buf) - 1` for a power of two."},
		regexp.MustCompile(`min value is negative, either use unsigned or 'var &= const'`), nil, nil},
	{Explanation{"length-unbounded",
		"The length that is passed to a helper has no upper bound that the verifier knows.",
		"Bound it right before the call: `if (len > sizeof(buf)) return …;`. If the test is there, the compiler has tested a copy: keep the length in one unsigned 64-bit variable, or use `len &= sizeof(buf) - 1`."},
		regexp.MustCompile(`unbounded memory access, use 'var &= const'`), nil, nil},
	{Explanation{"negative-index",
		"The index or offset may be negative, so that the access is before the start of the memory.",
		"Use an unsigned index, or test `if (i < 0)` as well as the upper bound."},
		regexp.MustCompile(`min value is negative, either use unsigned index`), nil, nil},
	{Explanation{"unbounded-index",
		"The index or offset has no upper bound that the verifier knows, and so may be beyond the end of the memory.",
		"Test it against the size right before the access, or mask it: `i &= SIZE - 1` for a power of two. The test and the access must use the same variable."},
		regexp.MustCompile(`unbounded memory access, make sure to bounds check`), nil, nil},
	{Explanation{"pointer-offset",
		"A number without known bounds is added to a pointer. The result may be anywhere, so that no later test can make it safe.",
		"Bound the number before it is added, and keep it unsigned."},
		regexp.MustCompile(`math between \w+ pointer and|makes \w+ pointer be out of bounds|pointer offset \S+ is not allowed`), nil, nil},
	{Explanation{"map-value-bounds",
		"The access goes beyond the map's value: `value_size` is its size, `off` and `size` are what is accessed. A bound that is off by one reads like this too.",
		"Compare the struct with the map's value type, and the index with the number of elements: `i < N`, not `i <= N`."},
		regexp.MustCompile(`invalid access to map value|(?:max|min) value is outside of the (?:allowed memory|array) range: .*value_size`), nil, nil},
	{Explanation{"memory-bounds",
		"The access goes beyond the memory: `mem_size` is how much was reserved or passed, `off` and `size` are what is accessed.",
		"Reserve as much as is written: `sizeof(*e)` of the struct itself, not of another one or of a pointer."},
		regexp.MustCompile(`invalid access to memory, mem_size=`), nil, nil},
	{Explanation{"map-type",
		"The helper does not work on maps of this type, as bpf_ringbuf_output does not on an array.",
		"Check the map's `type`, and that the helper is called with the map that was meant."},
		regexp.MustCompile(`cannot pass map_type \d+ into func`), nil, nil},
	{Explanation{"map-refused",
		"The kernel does not create this map: its type, sizes, flags or number of entries are impossible here.",
		"Check `max_entries` (a ring buffer's is a power of two and whole pages), key and value sizes (an array's key has 4 bytes), and whether the kernel is new enough for the type and flags."},
		regexp.MustCompile(`^map \S+ refused:`), nil, nil},

	// The stack. Since 6.3, and in updates of older kernels, a privileged program may read what
	// it has not written; on 5.10 as far down as it has written something.
	{Explanation{"length-zero",
		"The length that is passed to a helper may be zero, which this one does not take.",
		"Test `if (len == 0) return …;` before the call, or bound the length from below as well."},
		regexp.MustCompile(`invalid zero-sized read|invalid stack type R\d+ off=-?\d+ access_size=0$`), nil, nil},
	{Explanation{"stack-argument",
		"A helper reads or writes more of the stack than there is behind the pointer that it is passed: it takes the map's key_size or value_size, or the length it is told.",
		"Pass a variable of the size that the map declares, and `sizeof` of that variable as length."},
		// Until 6.12 "invalid indirect access to stack R2 off=-4 size=8", then as for the
		// program's own accesses; in early releases of 5.10 "invalid stack type R2 off=-4 …".
		regexp.MustCompile(`invalid stack type R\d+|invalid indirect access to stack|invalid (?:read from|write to) stack R\d+ off=`), calls, nil},
	{Explanation{"uninit-stack",
		"The program, or a helper that it calls, reads bytes of the stack that have not been written on every path that leads here.",
		"Initialize the variable where it is declared. Newer kernels accept this, and the value is then whatever was there."},
		// 5.10: "invalid read from stack R10 off=-16 size=8", and of a helper's "invalid indirect
		// read from stack R2 off -16+0 size 16".
		regexp.MustCompile(`invalid (?:indirect )?read from stack (?:R\d+ )?off -?\d+\+\d+ size|invalid read from stack R\d+ off=-(?:\d{1,2}|[1-4]\d\d|50\d|51[0-2]) size`), nil, nil},
	{Explanation{"stack-variable-offset",
		"The stack is accessed at an index that is not known well enough: without bounds, or on older kernels not known exactly.",
		"Bound the index before the access. For a table that is looked up by a variable, use a map or a `static const` array: these may be indexed by variables on every kernel."},
		// In early releases of 5.10 "variable stack access var_off=…".
		regexp.MustCompile(`variable stack access|variable-offset (?:indirect )?(?:read from|write to|access to) stack|variable offset stack access`), nil, nil},
	{Explanation{"stack-bounds",
		"The access is outside of the 512 bytes of stack: before their start, or at the frame pointer and above.",
		"Check index and size against the array's. Move what is large to a per-CPU array map of one entry."},
		// In early releases of 5.10 "invalid stack off=-520 size=8".
		regexp.MustCompile(`invalid stack off=|invalid (?:read from|write to) stack R\d+ off=`), nil, nil},
	{Explanation{"stack-too-deep",
		"The functions that call each other need more than 512 bytes of stack together.",
		"Move large variables to a per-CPU array map of one entry, or make fewer functions `noinline`, so that they share one frame."},
		regexp.MustCompile(`combined stack size of \d+ calls is \d+\. Too large`), nil, nil},
	{Explanation{"call-depth",
		"More functions call each other in a row than the verifier follows: 8, the program itself among them, or 16 on 7.3. On some kernels a function that calls itself reads like this too.",
		"Let the inner ones be inlined, `static __always_inline`, and write recursion as a loop."},
		regexp.MustCompile(`the call stack of \d+ frames is too deep`), nil, nil},
	{Explanation{"misaligned",
		"The address is not a multiple of the access's size. On the stack and for atomic operations it must be.",
		"Do not cast a pointer into a buffer of bytes to a wider type: declare a struct or a union, or copy with __builtin_memcpy. Drop `packed` where the layout allows it."},
		regexp.MustCompile(`misaligned \w*\s?access|misaligned access`), nil, nil},

	// Registers and pointers.
	{Explanation{"uninit-register",
		"A variable is used that has no value on some path that leads here. A function that ends without `return` reads like this too, and so does a pointer kept in a register that a helper call has spoilt.",
		"Give the variable a value where it is declared, and `return` one on every path. Mind the compiler's warnings."},
		regexp.MustCompile(`R\d+ !read_ok`), nil, nil},
	{Explanation{"double-release",
		"The pointer is no longer, or never was, what the helper takes back: it has been submitted, discarded or released already, on some path that leads here.",
		"Release each reference exactly once: `return` right after bpf_ringbuf_submit or bpf_ringbuf_discard, or set the pointer to NULL and test it."},
		// 5.10: "R1 type=inv expected=mem"; 6.1: "R1 type=scalar expected=alloc_mem"; then
		// "… expected=ringbuf_mem".
		regexp.MustCompile(`type=(?:inv|scalar) expected=(?:mem|alloc_mem|ringbuf_mem)(?:[\n:]|$)|must be referenced when passed to release function|reference has not been acquired before`), nil, nil},
	{Explanation{"scalar-deref",
		"What is used as a pointer is a mere number to the verifier: an address read from kernel memory, a cast, or a pointer that a helper call or a release has made void.",
		"Read kernel memory with bpf_probe_read_kernel, or BPF_CORE_READ. Load packet pointers anew from the context after a helper that changes the packet. Do not use a record after it was submitted."},
		// 5.10: 'inv'; then 'scalar'.
		regexp.MustCompile(`invalid mem access '(?:inv|scalar)'`), nil, nil},
	{Explanation{"pointer-arithmetic",
		"This arithmetic is not allowed on a pointer: only constants and bounded numbers may be added and subtracted, and not to every kind of pointer.",
		"Compute with numbers first and add the result to the pointer last. Do not mask, multiply or add pointers, and do not move data_end."},
		regexp.MustCompile(`pointer arithmetic (?:with|on) .*prohibited|pointer arithmetic prohibited|bitwise operator \S+ on pointer|pointer \+= pointer prohibited|tried to subtract pointer from scalar|subtraction from stack pointer prohibited`), nil, nil},
	{Explanation{"frame-pointer",
		"The program writes to r10, the frame pointer, which is read-only.",
		"This comes of assembly: use another register."},
		regexp.MustCompile(`frame pointer is read only`), nil, nil},

	// The context.
	{Explanation{"ctx-write",
		"This field of the context must not be written by programs of this type, or not in this way.",
		"Keep the value in a variable of the program's own. What may be changed has a helper, such as bpf_xdp_adjust_head for `data`."},
		regexp.MustCompile(`invalid bpf_context access|stores into R\d+ ctx is not allowed`), stores, nil},
	{Explanation{"ctx-modified",
		"The pointer to the context has been moved, and is then used. It must be used as it was passed.",
		"Access fields by name through `ctx` itself. If the compiler moved it, read the field into a variable earlier."},
		regexp.MustCompile(`dereference of modified ctx ptr|variable ctx access|modified ctx ptr`), nil, nil},
	{Explanation{"ctx-access",
		"The context has no such field for programs of this type, or not of this size at this place.",
		"Check the context's struct for this program type. Read whole fields with their own types: the compiler may have narrowed or merged the access."},
		regexp.MustCompile(`invalid bpf_context access`), nil, nil},
	{Explanation{"return-value",
		"The program may return a value that means nothing for programs of its type.",
		"Return one of the values that the hook knows, such as 0 or 1, on every path; bound what is computed."},
		// 5.10 and 6.1: "has value (0x2; 0x0) should have been in (0x0; 0x1)"; then "has smin=2
		// smax=2 should have been in [0, 1]".
		regexp.MustCompile(`At (?:program|subprogram|callback) exit the register R0|R0 is not a known value`), nil, nil},

	// Helpers and functions.
	{Explanation{"license",
		"The helper may be called by programs under the GPL only, and this program's licence does not say that it is.",
		"Declare it: `char _license[] SEC(\"license\") = \"GPL\";`."},
		// In early releases of 5.10 "cannot call GPL only function from proprietary program".
		regexp.MustCompile(`cannot call GPL[- ]\w+ function`), nil, nil},
	{Explanation{"helper-too-new",
		"This kernel does not have the helper: it came with a later one.",
		"Do without it, or declare the kernels that the program needs. `man bpf-helpers` and the kernel's documentation say since when a helper exists."},
		regexp.MustCompile(`invalid func `), nil, nil},
	{Explanation{"callback-too-new",
		"This kernel does not know callbacks, functions that are passed to a helper: they came with 5.13.",
		"Write a loop with a constant bound in place of bpf_loop or bpf_for_each_map_elem where older kernels have to load the program."},
		regexp.MustCompile(`number of funcs in func_info doesn't match number of subprogs`), nil, nil},
	{Explanation{"helper-not-allowed",
		"Programs of this type must not call this helper, on this kernel.",
		"Use a helper that the type has, or attach the program elsewhere. Newer kernels allow more."},
		// 5.10 and 6.1: "unknown func bpf_redirect#23".
		regexp.MustCompile(`unknown func |program of this type cannot use helper`), nil, nil},
	{Explanation{"call-in-lock",
		"A function is called between bpf_spin_lock and bpf_spin_unlock, where only plain code may stand.",
		"Call it before the lock or after the unlock, and keep its result in a variable."},
		regexp.MustCompile(`function calls are not allowed while holding a lock`), nil, nil},
	{Explanation{"lock-held",
		"The program may end, or take another lock, with the spin lock held.",
		"Call bpf_spin_unlock on every path out, early returns included."},
		// Until 6.12: "bpf_spin_unlock is missing"; then "BPF_EXIT instruction in main prog
		// cannot be used inside bpf_spin_lock-ed region".
		regexp.MustCompile(`bpf_spin_unlock is missing|inside bpf_spin_lock-ed region|while holding (?:a|another) lock is not allowed`), nil, nil},
	{Explanation{"reference-leak",
		"The program may end without giving back what it acquired: a ring-buffer record neither submitted nor discarded, a socket not released.",
		"Submit, discard or release it on every path out, early returns included."},
		// 6.18 and 7.3 add: "BPF_EXIT instruction in main prog would lead to reference leak".
		regexp.MustCompile(`Unreleased reference|would lead to reference leak`), nil, nil},
	{Explanation{"helper-arg-type",
		"A helper or function is passed another kind of argument than it takes: `type` is what it got, `expected` is what it takes.",
		"Look up the helper's parameters. A pointer to the stack, a map's value or a packet is often wanted where a number or the context was passed."},
		regexp.MustCompile(`R\d+ type=\S+ expected=|arg#\d+ type=|expected pointer to`), nil, nil},
	{Explanation{"global-function",
		"A function that is not `static` is verified by itself, from its prototype alone, and this one's parameters or result cannot be.",
		"Make it `static`, or let it take and return plain numbers."},
		regexp.MustCompile(`(?i)global function \S+ (?:doesn't return|return value not)|caller passes invalid args into func`), nil, nil},

	// Control flow.
	{Explanation{"infinite-loop",
		"The loop comes round with nothing changed, so that it may never end.",
		"Loop up to a constant, over a counter that each round changes: `for (i = 0; i < N; i++)`."},
		regexp.MustCompile(`infinite loop detected`), nil, nil},
	{Explanation{"recursion",
		"A function calls itself, directly or by way of others.",
		"Write it as a loop with a constant bound."},
		// 5.10 and 6.1 say "back-edge from insn 5 to 0", of any loop where the user has no
		// privileges. 6.12 and 6.18 count the frames, see call-depth.
		regexp.MustCompile(`back-edge from insn|recursive call from`), nil, nil},
	{Explanation{"too-complex",
		"The verifier has followed a million instructions and was not done: it goes through loops round by round, and each branch in them multiplies the paths.",
		"Lower the loop's bound, and have fewer branches and variables that live across rounds. From 5.17 on, bpf_loop verifies a body once."},
		regexp.MustCompile(`BPF program is too large\. Processed`), nil, nil},
	{Explanation{"too-many-jumps",
		"More than 8192 branches are open at once: too many conditions come one after the other, or come again in each round of a long loop.",
		"Replace a chain of tests with a look-up in a map or a table, and lower the bounds of loops that have branches in them."},
		// Many kernels say it, and end with EFAULT, of which Load brings no log.
		regexp.MustCompile(`The sequence of \d+ jumps is too complex|` + regexp.QuoteMeta(verifier.GaveUp)), nil, nil},
	{Explanation{"unreachable",
		"There is code that no path leads to.",
		"Remove what stands after an endless loop or a `return`. The compiler drops such code by itself, except in assembly."},
		regexp.MustCompile(`unreachable insn`), nil, nil},
	{Explanation{"no-exit",
		"The program or a function runs beyond its last instruction.",
		"Return a value on every path. The compiler leaves an end out where it takes it for unreachable: undefined behaviour, __builtin_unreachable, or a `naked` function."},
		regexp.MustCompile(`last insn is not an exit or jmp|jump out of range from insn`), nil, nil},

	// Instructions.
	{Explanation{"atomic-fetch",
		"This kernel knows only the atomic addition that does not return the old value: the others came with 5.12.",
		"Do not use the result of __sync_fetch_and_add, nor its exchange and compare-and-exchange forms, where 5.10 has to load the program. Per-CPU data needs no atomics at all."},
		regexp.MustCompile(`BPF_STX uses reserved fields`), nil, nil},
	{Explanation{"div-by-zero",
		"The program divides by the constant zero.",
		"Test the divisor before the division. A variable that is zero as the program runs gives 0, and is not rejected."},
		regexp.MustCompile(`div by zero`), nil, nil},
	{Explanation{"invalid-shift",
		"The program shifts by as many bits as the register has, or more.",
		"Shift a 64-bit value by 0 to 63, a 32-bit one by 0 to 31."},
		regexp.MustCompile(`invalid shift`), nil, nil},
}
