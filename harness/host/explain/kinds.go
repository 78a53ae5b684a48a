// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"regexp"
	"slices"
)

// Instructions as a log shows them.
var (
	calls  = regexp.MustCompile(`\(85\) call `)
	stores = regexp.MustCompile(`\) (?:lock )?\*\(u\d+ \*\)\(r\d+ [+-]\d+\) [-+&|^]?= `)
)

// kinds are in order: where two match, the first is the more telling. Where kernels word a
// kind differently, a comment says which says what; testdata/messages.txt has what each says.
// A series takes words over from later ones in its updates: patterns know the old ones too.
var kinds = slices.Concat(loadKinds, memoryKinds, callKinds, flowKinds)

var mapTypeKind = Explanation{"map-type",
	"The helper does not work on maps of this type, as bpf_ringbuf_output does not on an array.",
	"Check the map's `type`, and that the helper is called with the map that was meant."}

var memoryKinds = []kind{
	// Pointers that may be NULL.
	{Explanation{"null-check",
		"The pointer may be NULL here: a look-up finds nothing, or a reservation finds no room. This holds for arrays too, whose look-up fails for a key out of range.",
		"Test the pointer, as in `if (!p) return …;`, on every path that leads to this line, before it is used or added to."},
		regexp.MustCompile(`invalid mem access '\w*_or_null\w*'|type=\w*_or_null\w* expected=|null-check it first|Possibly NULL pointer passed|expected to be non-NULL|is of type \w+_or_null but`), nil, nil, nullCheck},

	{Explanation{"null-branch",
		"The pointer is NULL here: it was tested, and the branch for NULL goes on to this line.",
		"Let the branch that handles NULL end with `return`, so that only a pointer that is not NULL comes here."},
		regexp.MustCompile(`^R\d+ invalid mem access '(?:inv|scalar)'`), nil, null, plain},

	// Packets.
	{Explanation{"packet-bounds",
		"The packet may end before the last byte that is read or written here: the program has not compared with data_end as far as that.",
		"Before the access, test `if (p + size > data_end) return …;` with the same pointer that is then used, and with a size that covers the whole access. Check again after each step to a next header."},
		regexp.MustCompile(`invalid access to packet|offset is outside of the packet`), nil, nil, packetBounds},
	{Explanation{"packet-readonly",
		"Programs of this type may read packets, not change them, or not let this helper do it.",
		"Change a copy, or attach the program where packets may be changed: XDP, tc, or a helper made for it."},
		regexp.MustCompile(`cannot write into packet|helper access to the packet is not allowed|the prog does not allow writes to packet data`), nil, nil, nil},

	// Maps and memory.
	{Explanation{"rodata-write",
		"This is constant data: it is set before the program is loaded and read-only from then on, so that the verifier can rely on its value.",
		"Drop `const` for a variable that the program changes, or write to another one."},
		regexp.MustCompile(`write into map forbidden|cannot write into rdonly_\w*mem`), nil, nil, nil},
	{Explanation{"read-only-memory",
		"The program, or a helper it calls, writes to memory that programs may only read.",
		"Copy the data to the stack or to a map's value and change the copy."},
		regexp.MustCompile(`write to change key R\d+ not allowed|R\d+ cannot write into \S+|\S+ may write into memory pointed by`), nil, nil, nil},
	{Explanation{"map-flags",
		"The map's flags do not let programs read it: it was created with BPF_F_WRONLY_PROG.",
		"Create the map without that flag, or read the value from another map."},
		regexp.MustCompile(`read from map forbidden`), nil, nil, nil},
	{Explanation{"length-negative",
		"The length that is passed to a helper may be negative, which it would take for a huge one.",
		"Make the length unsigned and bound it right before the call: `if (len > sizeof(buf)) return …;`, or `len &= sizeof(buf) - 1` for a power of two."},
		regexp.MustCompile(`min value is negative, either use unsigned or 'var &= const'`), nil, nil, length},
	{Explanation{"length-unbounded",
		"The length that is passed to a helper has no upper bound that the verifier knows.",
		"Bound it right before the call: `if (len > sizeof(buf)) return …;`. If the test is there, the compiler has tested a copy: keep the length in one unsigned 64-bit variable, or use `len &= sizeof(buf) - 1`."},
		regexp.MustCompile(`unbounded memory access, use 'var &= const'`), nil, nil, length},
	{Explanation{"length-constant",
		"A size must be a constant here, known when the program is loaded: the verifier keeps track of that many bytes.",
		"Pass a constant, such as `sizeof(struct event)`. For data of variable length reserve the largest size, or send it with bpf_ringbuf_output or bpf_dynptr functions, which take a variable length."},
		regexp.MustCompile(`unbounded size, use 'var &= const'|R\d+ is not a known constant|R\d+ is not a const|must be a known constant|rdwr_buf_size`), nil, nil, nil},
	{Explanation{"negative-index",
		"The index or offset may be negative, so that the access is before the start of the memory.",
		"Use an unsigned index, or test `if (i < 0)` as well as the upper bound."},
		regexp.MustCompile(`min value is negative, either use unsigned index`), nil, nil, index},
	{Explanation{"unbounded-index",
		"The index or offset has no upper bound that the verifier knows, and so may be beyond the end of the memory.",
		"Test it against the size right before the access, or mask it: `i &= SIZE - 1` for a power of two. The test and the access must use the same variable."},
		regexp.MustCompile(`unbounded memory access, make sure to bounds check`), nil, nil, index},
	{Explanation{"pointer-offset",
		"A number without known bounds is added to a pointer. The result may be anywhere, so that no later test can make it safe.",
		"Bound the number before it is added, and keep it unsigned."},
		regexp.MustCompile(`math between \w+ pointer and|makes \w+ pointer be out of bounds|pointer offset \S+ is not allowed`), nil, nil, pointerOffset},
	{Explanation{"memory-bounds",
		"The access goes beyond the memory: `mem_size` is how much was reserved or passed, `off` and `size` are what is accessed.",
		"Reserve as much as is written: `sizeof(*e)` of the struct itself, not of another one or of a pointer."},
		regexp.MustCompile(`invalid access to memory, (mem_size)=(\d+) off=(-?\d+) size=(\d+)`), nil, nil, bounded},
	{Explanation{"map-value-bounds",
		"The access goes beyond the map's value: `value_size` is its size, `off` and `size` are what is accessed. A bound that is off by one reads like this too.",
		"Compare the struct with the map's value type, and the index with the number of elements: `i < N`, not `i <= N`."},
		regexp.MustCompile(`invalid access to map (?:value|key), (value_size|key_size)=(\d+) off=(-?\d+) size=(\d+)|(?:max|min) value is outside of the (?:allowed memory|array) range`), nil, nil, bounded},
	{Explanation{"buffer-bounds",
		"The access is outside of what may be read here: a raw tracepoint's buffer, an iterator's object or flow keys.",
		"Read only the fields that the context's struct has for this hook, at constant offsets."},
		regexp.MustCompile(`invalid \S+ buffer access: off=|invalid (?:variable|negative) (?:\S+ )?buffer offset|(?:invalid access|invalid variable offset) to flow keys|invalid access to context, ctx_size`), nil, nil, nil},
	{mapTypeKind, regexp.MustCompile(`cannot pass map_type (\d+) into func (\w+)`), nil, nil, mapType},
	{mapTypeKind, regexp.MustCompile(`invalid zero-sized read`), regexp.MustCompile(`call bpf_map_\w+_elem#`), nil, mapWithoutKey},
	{Explanation{"map-without-btf",
		"The map's value has no type that the kernel knows, only a size, so the kernel cannot find the lock, timer or pointer in it.",
		"Declare the map with `__type(key, …)` and `__type(value, struct …)` in place of `key_size` and `value_size`, and compile with -g."},
		regexp.MustCompile(`map '([^']*)' has to have BTF in order to use (\w+)`), nil, nil, mapWithoutBTF},
	{Explanation{"map-field",
		"The helper wants a pointer to a lock, timer or other special field of a map's value, and this is not where the value has one.",
		"Put exactly one such field in the value's struct, name that struct in `__type(value, …)`, and pass the field's address: `&v->lock`."},
		regexp.MustCompile(`has no valid \w+|doesn't point to (?:'struct |kptr)|doesn't have 'struct bpf_|has more than one 'struct bpf_|is not a struct type or bpf_\w+ is mangled|doesn't match map pointer|kptr isn't referenced|cannot be accessed by`), nil, nil, nil},
	{Explanation{"special-field",
		"The program reads or writes a lock, timer or kernel pointer in a map's value directly, or copies a value that has one. Only helpers may touch it.",
		"Assign the value's other members one by one, and use bpf_spin_lock, bpf_timer_… or bpf_kptr_xchg for the special one."},
		regexp.MustCompile(`bpf_\w+ cannot be accessed|\bkptr\b|store to uptr disallowed`), nil, nil, nil},
	{Explanation{"lock-offset",
		"A lock, timer or kernel pointer must be passed by an address that is known exactly: the map's value plus a constant.",
		"Do not keep such fields in an array that is indexed by a variable: make the map have more entries, each with one."},
		regexp.MustCompile(`doesn't have constant offset\. \S+ has to be at`), nil, nil, nil},
	{Explanation{"constant-string",
		"The text must be a constant that the verifier can read when the program is loaded: in a read-only map, closed by a zero byte.",
		"Use a string literal or a `static const char fmt[]`, not an array on the stack, and compile with clang 11 or later, which puts it into .rodata."},
		regexp.MustCompile(`does not point to a readonly map|doesn't point to a const string|is not a constant address|map is not read-?only`), nil, nil, nil},
	{Explanation{"format-string",
		"The format has a conversion that the kernel's printf does not know, or another number of arguments than conversions.",
		"Use %d, %u, %x, %ld, %llu, %p, %s and the like, with as many arguments as conversions; bpf_trace_printk takes at most three, bpf_printk of a newer libbpf up to twelve."},
		regexp.MustCompile(`(?i)invalid format string|fmt string`), nil, nil, nil},
	{Explanation{"pointer-leak",
		"A pointer would get to where user space can read it as a number, or is compared with one. Without CAP_PERFMON this is not allowed; and nobody may store some kinds of pointers or add to memory atomically with one.",
		"Store what the pointer points to, not the pointer itself. Return a number."},
		regexp.MustCompile(`leaks addr|pointer comparison prohibited|partial copy of pointer|leaking pointer from stack`), nil, nil, nil},
	{Explanation{"mixed-pointers",
		"The same instruction is reached with different kinds of pointers, such as one to a map's value and one to the context. The kernel translates the access once and must know the kind.",
		"Access each kind of pointer in its own branch. If the compiler merged the branches, read the value into a variable in each, or keep them apart with `barrier_var(p)`."},
		regexp.MustCompile(`same insn cannot be used with different pointers`), nil, nil, nil},

	// The stack. Since 6.3, and in updates of older kernels, a privileged program may read what
	// it has not written; on 5.10 as far down as it has written something.
	{Explanation{"length-zero",
		"The length that is passed to a helper may be zero, which this one does not take.",
		"Test `if (len == 0) return …;` before the call, or bound the length from below as well."},
		regexp.MustCompile(`invalid zero-sized read|invalid stack type R\d+ off=-?\d+ access_size=0$`), nil, nil, length},
	{Explanation{"stack-argument",
		"A helper reads or writes more of the stack than there is behind the pointer that it is passed: it takes the map's key_size or value_size, or the length it is told.",
		"Pass a variable of the size that the map declares, and `sizeof` of that variable as length."},
		// Until 6.12 "invalid indirect access to stack R2 off=-4 size=8", then as for the
		// program's own accesses; in early releases of 5.10 "invalid stack type R2 off=-4 …".
		regexp.MustCompile(`invalid stack type R\d+ off=(-?\d+) access_size=(\d+)|invalid (?:indirect access to|read from|write to) stack R\d+ off=(-?\d+) size=(\d+)`), calls, nil, stackArgument},
	{Explanation{"uninit-stack",
		"The program, or a helper that it calls, reads bytes of the stack that have not been written on every path that leads here.",
		"Initialize the variable where it is declared. Newer kernels accept this, and the value is then whatever was there."},
		// 5.10: "invalid read from stack R10 off=-16 size=8", and of a helper's "invalid indirect
		// read from stack R2 off -16+0 size 16".
		regexp.MustCompile(`invalid (?:indirect )?read from stack (?:R\d+ )?(?:var_)?off (-?\d+|\S+)\+(\d+) size (\d+)|invalid read from stack R\d+ off=-(?:\d{1,2}|[1-4]\d\d|50\d|51[0-2]) size|uninitialized stack`), nil, nil, uninitStack},
	{Explanation{"stack-variable-offset",
		"The stack is accessed at an index that is not known well enough: without bounds, or on older kernels not known exactly.",
		"Bound the index before the access. For a table that is looked up by a variable, use a map or a `static const` array: these may be indexed by variables on every kernel."},
		// In early releases of 5.10 "variable stack access var_off=…".
		regexp.MustCompile(`variable stack access|variable-offset (?:indirect )?(?:read from |write to |access to |)stack|variable offset stack (?:access|pointer)`), nil, nil, nil},
	{Explanation{"stack-bounds",
		"The access is outside of the 512 bytes of stack: before their start, or at the frame pointer and above.",
		"Check index and size against the array's. Move what is large to a per-CPU array map of one entry."},
		// In early releases of 5.10 "invalid stack off=-520 size=8".
		regexp.MustCompile(`invalid stack off=(-?\d+) size=(\d+)|invalid (?:read from|write to) stack R\d+ off=(-?\d+) size=(\d+)`), nil, nil, stackBounds},
	{Explanation{"stack-too-deep",
		"The functions that call each other need more stack together than the 512 bytes of a program, or the 256 bytes of one that makes tail calls from functions.",
		"Move large variables to a per-CPU array map of one entry, or make fewer functions `noinline`, so that they share one frame."},
		regexp.MustCompile(`combined stack size of (\d+) calls is (\d+)\. Too large|stack size of subprog (\d+) is (\d+)\. Too large|tail_calls are not allowed when call stack of previous (frames) is (\d+) bytes|stack size (\d+)\(extra (\d+)\) is too large`), nil, nil, stackTooDeep},
	{Explanation{"call-depth",
		"More functions call each other in a row than the verifier follows: 8, the program itself among them, or 16 on 7.3. On some kernels a function that calls itself reads like this too.",
		"Let the inner ones be inlined, `static __always_inline`, and write recursion as a loop."},
		regexp.MustCompile(`the call stack of (\d+) frames is too deep`), nil, nil, plain},
	{Explanation{"spilled-pointer",
		"A pointer was saved on the stack, and these bytes are now read or overwritten in part, or in another size.",
		"Do not share the bytes of a pointer with other data: no unions, no casts of the struct that holds it. Assembly must save and load all 8 bytes."},
		regexp.MustCompile(`corrupted spill|invalid size of register (?:spill|fill)|attempt to corrupt spilled|stack spill corruption|spilled ptr in range of`), nil, nil, nil},
	{Explanation{"stack-escape",
		"A pointer to a function's stack would outlive the function: it is returned, or stored in the caller's frame.",
		"Let the caller pass a pointer to a variable of its own, and write the result there."},
		regexp.MustCompile(`cannot return stack pointer to the caller|cannot spill pointers to stack into`), nil, nil, nil},
	{Explanation{"misaligned",
		"The address is not a multiple of the access's size. On the stack and for atomic operations it must be.",
		"Do not cast a pointer into a buffer of bytes to a wider type: declare a struct or a union, or copy with __builtin_memcpy. Drop `packed` where the layout allows it."},
		regexp.MustCompile(`misaligned (?:(\w+) )?access off \([^)]*\)\+(-?\d+)\+(-?\d+) size (\d+)|misaligned \w*\s?access`), nil, nil, misaligned},

	// Registers and pointers.
	{Explanation{"uninit-register",
		"A variable is used that has no value on some path that leads here.",
		"Give the variable a value where it is declared, and `return` one on every path. Mind the compiler's warnings."},
		regexp.MustCompile(`R(\d+) !read_ok`), nil, nil, uninitRegister},
	{Explanation{"double-release",
		"The pointer is no longer, or never was, what the helper takes back: it has been submitted, discarded or released already, on some path that leads here.",
		"Release each reference exactly once: `return` right after bpf_ringbuf_submit or bpf_ringbuf_discard, or set the pointer to NULL and test it."},
		// 5.10: "R1 type=inv expected=mem"; 6.1: "R1 type=scalar expected=alloc_mem"; then
		// "… expected=ringbuf_mem".
		regexp.MustCompile(`type=(?:inv|scalar) expected=(?:mem|alloc_mem|ringbuf_mem)(?:[\n:]|$)|must be referenced when passed to release function|reference has not been acquired before|release (?:kernel function|helper) \S+ expects|release kfunc \S+ expects|is an unacquired reference`), nil, nil, nil},
	{Explanation{"scalar-deref",
		"What is used as a pointer is a mere number to the verifier.",
		"Read kernel memory with bpf_probe_read_kernel, or BPF_CORE_READ. Load packet pointers anew from the context after a helper that changes the packet. Do not use a record after it was submitted."},
		// 5.10: 'inv'; then 'scalar'.
		regexp.MustCompile(`(R\d+) invalid mem access '(?:inv|scalar)'`), nil, nil, scalarDeref},
	{Explanation{"pointer-access",
		"Programs must not read or write through this kind of pointer directly: it stands for a thing that only helpers work on.",
		"Pass the pointer to the helpers that are made for it: a map to bpf_map_lookup_elem, a socket to bpf_sk_…; data_end is only compared with."},
		regexp.MustCompile(`invalid mem access '(\w+)'`), nil, nil, nil},
	{Explanation{"pointer-arithmetic",
		"This arithmetic is not allowed on a pointer: only constants and bounded numbers may be added and subtracted, and not to every kind of pointer.",
		"Compute with numbers first and add the result to the pointer last. Do not mask, multiply or add pointers, and do not move data_end."},
		regexp.MustCompile(`pointer arithmetic .*prohibited|bitwise operator \S+ on pointer|pointer \S+ pointer prohibited|tried to subtract pointer from scalar|subtraction from stack pointer prohibited|sign-extension part of pointer|pointer operation prohibited|pointer with unsupported alu operation|mixed signed bounds|beyond pointer bounds|from different maps, paths or scalars|pointer offset is not safe`), nil, nil, nil},
	{Explanation{"frame-pointer",
		"The program writes to r10, the frame pointer, which is read-only.",
		"This comes of assembly: use another register."},
		regexp.MustCompile(`frame pointer is read only`), nil, nil, plain},
	{Explanation{"kernel-write",
		"The program writes to the kernel's own memory through a pointer of the kernel's. Tracing programs may read it, not change it.",
		"Keep the value in a map of the program's own. What programs may change has a helper, a kernel function or, for some structs of sched_ext and TCP congestion control, a list of fields in the kernel."},
		regexp.MustCompile(`only read is supported|only read from \w+ is supported|Writes through BTF pointers are not allowed|write access .* not supported|Cannot write into \w+`), nil, nil, kernelWrite},
	{Explanation{"kernel-struct-access",
		"The access does not match the kernel's struct: it is beyond its end, in the middle of a pointer or bit field, or at a variable offset.",
		"Read whole members by name, from a struct with `preserve_access_index` or vmlinux.h. What is indexed by a variable is read with bpf_probe_read_kernel."},
		regexp.MustCompile(`access beyond (?:struct|the end of member) |cannot access ptr member|access beyond struct|is ptr_\w+ (?:invalid|access)|is \w*ptr_\w+ (?:invalid|access)|invalid (?:negative|variable) (?:access|offset)|dereference of modified \w*ptr_|\w+ has \w+ member .* off=|R\d+ is a pointer to in-kernel struct with non-zero offset|Type '\w+' is not a struct`), nil, nil, nil},
	{Explanation{"socket-access",
		"This field of the socket cannot be read here, or not in this size, or not written.",
		"Read the fields that struct bpf_sock, bpf_tcp_sock or bpf_xdp_sock documents, whole. bpf_sk_fullsock and bpf_tcp_sock give a pointer to more of them."},
		regexp.MustCompile(`invalid (?:sock|sock_common|tcp_sock|xdp_sock|socket) access`), nil, nil, nil},
	{Explanation{"untrusted-pointer",
		"The function wants a pointer that the kernel vouches for: an argument of the hook, or one acquired and not yet released. A pointer that was read from another object may be stale.",
		"Acquire it first, such as with bpf_task_acquire or bpf_cgroup_acquire, or use the object in a bpf_rcu_read_lock section where the function takes that; test for NULL."},
		regexp.MustCompile(`must be referenced or trusted|must be referenced|must be a rcu pointer|is neither owning or non-owning|untrusted_ptr_ expected|must be trusted`), nil, nil, nil},
}
