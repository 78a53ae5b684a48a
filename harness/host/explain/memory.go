// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
)

// What the explanations of kinds.go add for one rejection: of packets, maps, the stack, and what registers hold.

func nullCheck(f *facts, e *Explanation) {
	register := f.register()
	if state := f.state(register); strings.HasPrefix(state, "mem_or_null") && f.log.origin(register, f.at) < 0 {
		e.Meaning = "The pointer may be NULL here: it is a parameter of a function that is not `static`, and the verifier assumes that anything may be passed."
		e.Try = "Test the pointer in the function, `if (!p) return …;`, or make the function `static`."
	}
	f.here(e)
}

var packetAccess = regexp.MustCompile(`invalid access to packet, off=(-?\d+) size=(\d+), R(\d+)\(id=(\d+),off=(-?\d+),r=(\d+)\)`)

// maxPacketOffset is up to which variable offset a comparison with data_end counts.
const maxPacketOffset = 65535

func packetBounds(f *facts, e *Explanation) {
	m := packetAccess.FindStringSubmatch(f.said)
	if m == nil {
		f.here(e)
		return
	}
	off, _ := strconv.Atoi(m[1])
	size, _ := strconv.Atoi(m[2])
	covered, _ := strconv.Atoi(m[6])
	register := "R" + m[3]
	state := f.state(register)
	variable := m[4] != "0"
	switch b := parseBounds(state); {
	case covered > 0:
		e.add("The comparison covers %s from where the pointer began; this access needs %d, %d more.", plural(covered, "byte"), off+size, off+size-covered)
		return
	case variable && b.umax > maxPacketOffset && b.umax != anyNumber.umax:
		e.add("The comparison does not count: the offset that was added to %s may be %s, and beyond %d the verifier keeps no record of what data_end was compared with.", register, b, maxPacketOffset)
		e.Try = fmt.Sprintf("Bound the offset to less before it is added: `if (off > 1500) return …;`, or `off &= 0x7ff`; with what is added to it, it must stay below %d. Then compare the sum with data_end and use the same pointer.", maxPacketOffset)
		return
	}
	if i, other := f.comparedWithNumber(register); i >= 0 {
		e.add("The comparison in %s does not count: there R%s is not data_end to the verifier but %s.", f.log[i].line(), other, stateWords(f.log.value("R"+other, i)))
		e.Try = "Compare with data_end as it was loaded from the context, as a 64-bit pointer: `void *data_end = (void *)(long)ctx->data_end;`, never kept in a 32-bit variable, moved or computed with. If the compiler copied it in 32 bits, load it again right before the comparison."
		return
	}
	if i, own := f.comparedWithEnd(register); i >= 0 && own {
		e.add("The comparison in %s does not count: that a pointer is before data_end, with nothing added to it, tells the verifier nothing.", f.log[i].line())
		e.Try = fmt.Sprintf("Compare the end of the access: `if (p + %d > data_end) break;` before it, with the same pointer. In a loop also bound the number of rounds by a constant.", off+size)
		return
	} else if i >= 0 {
		e.add("The comparison in %s is of another pointer than %s, or leads here where it failed.", f.log[i].line(), register)
	}
	e.add("No comparison with data_end covers %s, which is %s; this access needs %s.", register, stateWords(state), plural(off+size, "byte"))
	if variable {
		e.add("A variable offset was added to it: the comparison must be with the sum, and the access through that same sum.")
	}
}

// comparedWithNumber finds where a packet pointer, or a copy with another offset, was compared with what is a
// number to the verifier, and the number's register.
func (f *facts) comparedWithNumber(register string) (at int, other string) {
	at = f.compared(func(a, b, one, two string) bool {
		other = b
		return strings.HasPrefix(one, "pkt") && !strings.HasPrefix(one, "pkt_end") && isNumber.MatchString(two)
	})
	return at, strings.TrimPrefix(other, "R")
}

// comparedWithEnd finds where a packet pointer was last compared with data_end, and tells whether that was the
// register's own value with nothing added to it.
func (f *facts) comparedWithEnd(register string) (at int, own bool) {
	at = f.compared(func(a, _, one, two string) bool {
		own = a == register && !movedPointer.MatchString(one)
		return strings.HasPrefix(one, "pkt(") && strings.HasPrefix(two, "pkt_end")
	})
	return at, own
}

// compared finds the last comparison of two registers, named in either order, for which is is true, given their states
// as well.
func (f *facts) compared(is func(a, b, one, two string) bool) int {
	return f.log.back(f.at, "R10", func(i int) bool {
		m := tests.FindStringSubmatch(f.log[i].text)
		if m == nil || !moves.MatchString(m[4]) {
			return false
		}
		a, b := "R"+m[2], "R"+m[4][1:]
		one, two := f.log.value(a, i), f.log.value(b, i)
		return is(a, b, one, two) || is(b, a, two, one)
	})
}

// movedPointer matches the state of a pointer that something was added to.
var movedPointer = regexp.MustCompile(`\b(?:off|imm)=-?[1-9]|var_off`)

// memoryOf returns the size of the memory that a register points to, from its offset on, or -1.
func memoryOf(state string) int {
	if m := stackPointer.FindStringSubmatch(state); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	var size int
	if strings.HasPrefix(state, "map_ptr") {
		return -1
	} else if m := valueSize.FindStringSubmatch(state); m != nil {
		size, _ = strconv.Atoi(m[1])
	} else if m := memorySize.FindStringSubmatch(state); m != nil {
		size, _ = strconv.Atoi(m[1])
	} else {
		return -1
	}
	for _, m := range fixedOff.FindAllStringSubmatch(state, -1) {
		if n, err := strconv.ParseInt(m[1], 0, 32); err == nil {
			size -= int(n)
		}
	}
	return size
}

var stackPointer = regexp.MustCompile(`^fp-(\d+)$`)

func length(f *facts, e *Explanation) {
	register := f.register()
	state := f.state(register)
	if register == "" && f.call != "" { // 5.10 and 6.1 do not say which
		for n := 5; n > 1 && register == ""; n-- {
			r := "R" + strconv.Itoa(n)
			if s := f.state(r); isNumber.MatchString(s) && parseBounds(s).umin == 0 && memoryOf(f.state("R"+strconv.Itoa(n-1))) >= 0 {
				register, state = r, s
			}
		}
	}
	if register == "" {
		return
	}
	if state == "" {
		f.here(e)
		return
	}
	n, _ := strconv.Atoi(register[1:])
	least, wanted := 0, ""
	if e.Kind == "length-zero" {
		least = 1
	}
	if memory := f.state("R" + strconv.Itoa(n-1)); memoryOf(memory) >= 0 {
		wanted = fmt.Sprintf(", and has to be %d to %d, the size of %s", least, memoryOf(memory), strings.TrimPrefix(stateWords(memory), "a pointer to "))
	}
	e.add("Here %s is %s to the verifier%s.", f.name(register), strings.TrimSuffix(strings.TrimPrefix(stateWords(state), "a number ("), ")"), wanted)
	if e.Kind == "length-zero" {
		// Kernels until 6.1 learn nothing of a range from a comparison with == or !=.
		e.Try = "Keep the length minus one, which is then never zero: `n = len - 1; barrier_var(n); if (n >= sizeof(buf)) return …;`, and pass `n + 1`. Until 6.1 the verifier learns nothing from `len == 0`, which the compiler makes of `len < 1` too. On 5.10 the buffer must be initialized."
		return
	}
	if i := f.signedTest(register); i >= 0 {
		e.add("The comparison in %s is signed: a negative number passes it, and as a length it is a huge one.", f.log[i].comparison())
		e.Try = "Make the variable unsigned, such as `__u32`, so that its one comparison excludes negative numbers too, or write `if (n < 0 || n > MAX) return …;`. For a power of two `n &= MAX - 1` works on every kernel."
	} else if f.whole(register) && !f.tested(register) {
		e.add("Nothing on this path compares it.")
	}
}

// comparison quotes the line of a comparison, or its instruction where the compiler gave it another test's line.
func (s step) comparison() string {
	if strings.ContainsAny(strings.ReplaceAll(s.source, "->", ""), "<>?") {
		return s.line()
	}
	return fmt.Sprintf("instruction %d, %s,", s.number, code(s.text))
}

// tested reports whether what a register holds was compared with anything on the way.
func (f *facts) tested(register string) bool {
	return f.testOf(register, func(string) bool { return true }) >= 0
}

// signedTest returns the step that compared what a register holds as a signed number, or -1.
func (f *facts) signedTest(register string) int {
	return f.testOf(register, func(operator string) bool { return strings.HasPrefix(operator, "s") })
}

func (f *facts) testOf(register string, accept func(operator string) bool) int {
	from := f.log.origin(register, f.at)
	if from < 0 {
		return -1
	}
	found := -1
	f.log.back(f.at, "R10", func(i int) bool {
		m := tests.FindStringSubmatch(f.log[i].text)
		if m == nil || !accept(m[3]) {
			return false
		}
		if f.log.origin("R"+m[2], i) == from {
			found = i
		}
		return found >= 0
	})
	return found
}

func index(f *facts, e *Explanation) {
	f.here(e)
	register := f.register()
	i := f.log.back(f.at, "R10", func(i int) bool {
		m := assigns.FindStringSubmatch(f.log[i].text)
		return m != nil && "R"+m[1] == register && m[2] == "+=" && moves.MatchString(m[3])
	})
	if i < 0 {
		return
	}
	added := "R" + assigns.FindStringSubmatch(f.log[i].text)[3][1:]
	if state := f.log.value(added, i); isNumber.MatchString(state) {
		e.add("Added to it was %s, %s, in %s.", added, strings.TrimPrefix(stateWords(state), "a "), f.log[i].line())
	}
}

func pointerOffset(f *facts, e *Explanation) {
	m := assigns.FindStringSubmatch(f.insn.text)
	if m == nil || !moves.MatchString(m[3]) {
		f.here(e)
		return
	}
	number := "R" + m[3][1:]
	if !isNumber.MatchString(f.state(number)) {
		number = "R" + m[1]
	}
	state := f.state(number)
	if !isNumber.MatchString(state) {
		return
	}
	e.add("Here %s, which is added, is %s to the verifier.", number, stateWords(state))
	if from := f.from(number); from != "" {
		if !strings.HasPrefix(from, "what ") {
			from = "what was " + from
		}
		e.add("It is computed from %s.", from)
	}
	if b := parseBounds(state); b.smin == b.smax {
		e.add("A pointer cannot be moved by that much: 2²⁹ is the limit, and a mask or a negative number of 32 bits is beyond it.")
		e.Try = "Do not mask pointers. Compute offsets as numbers, in 64 bits where they may be negative, and add the result to the pointer last."
	} else if i := f.signedTest(number); i >= 0 && b.smin < 0 {
		e.add("The comparison in %s is signed: negative numbers pass it.", f.log[i].comparison())
		e.Try = "Make the index unsigned, such as `__u32`, so that its one comparison excludes negative numbers too, or write `if (i < 0 || i >= N) return …;`. For a power of two `i &= N - 1` works on every kernel."
	} else if i := f.readTwice(number); i >= 0 {
		e.add("The comparison in %s was of another copy: the program read the value from memory again after it, where it may have changed.", f.log[i].line())
		e.Try = "Read the value once into a local variable, and compare, compute and index with that variable only; bound the result of the computation itself: `__u64 i = s->top - 1; if (i >= N) return …;`."
	} else if f.whole(number) && !f.tested(number) {
		e.add("Nothing on this path compares it.")
	} else {
		e.Try = "Bound the very result that is added, right before: `i = top - 1; if (i >= N) return …;` with an unsigned `i`, or mask it with `i &= N - 1`. A comparison of what it was computed from does not carry over on every kernel."
	}
}

// readTwice returns the comparison of a value that the program then read from the same address again to get what a
// register holds, or -1.
func (f *facts) readTwice(register string) int {
	i := f.log.origin(register, f.at)
	if i < 0 {
		return -1
	}
	second := loads.FindStringSubmatch(f.log[i].text)
	if second == nil {
		return -1
	}
	found := -1
	f.log.back(i, "R10", func(at int) bool {
		m := tests.FindStringSubmatch(f.log[at].text)
		if m == nil {
			return false
		}
		j := f.log.origin("R"+m[2], at)
		if j < 0 || j == i {
			return false
		}
		first := loads.FindStringSubmatch(f.log[j].text)
		if first != nil && first[4] == second[4] && f.log.origin("R"+first[3], j) == f.log.origin("R"+second[3], i) {
			found = at
		}
		return found >= 0
	})
	return found
}

// bounded is of accesses beyond the end of memory of a known size, or before its start.
func bounded(f *facts, e *Explanation) {
	if len(f.m) < 5 || f.m[2] == "" {
		f.here(e)
		return
	}
	size, off, n := f.number(2), f.number(3), f.number(4)
	what := map[string]string{"value_size": "the map's value", "key_size": "the map's key", "mem_size": "the memory"}[f.m[1]]
	register := f.register()
	b := parseBounds(f.state(register))
	variable := b != anyNumber && b.umin != b.umax && strings.Contains(f.state(register), "(")
	switch {
	case off < 0:
		e.add("Here the access begins %s before the start of %s, which has %d.", plural(-off, "byte"), what, size)
	case off+n > size && off >= size:
		e.add("Here it is of %s at offset %d, but %s ends after %s.", plural(n, "byte"), off, what, plural(size, "byte"))
	case off+n > size:
		e.add("Here it is of %s at offset %d of %s, which has %d: %s past the end.", plural(n, "byte"), off, what, size, plural(off+n-size, "byte"))
	default:
		e.add("Here it is of %s at offset %d of %s, which has %d.", plural(n, "byte"), off, what, size)
	}
	if variable {
		e.add("The variable part of the offset is %s to the verifier.", b)
	}
	if from := f.from(register); strings.HasPrefix(from, "what ") && f.m[1] != "mem_size" {
		e.add("%s is %s.", register, from)
	}
}

func mapType(f *facts, e *Explanation) {
	e.add("Here %s is called on a map of type %v.", f.m[2], ebpf.MapType(f.number(1)))
}

func mapWithoutKey(f *facts, e *Explanation) {
	e.add("Here %s is called on a map whose keys have no bytes: a stack, a queue or a bloom filter.", f.call)
	e.Try = "Use bpf_map_push_elem, bpf_map_pop_elem and bpf_map_peek_elem on such a map, or a hash or an array."
}

func mapWithoutBTF(f *facts, e *Explanation) {
	e.add("Here the map is %s, and the call is %s.", code(f.m[1]), f.m[2])
}

func stackArgument(f *facts, e *Explanation) {
	off, size := cmp.Or(f.m[1], f.m[3]), cmp.Or(f.m[2], f.m[4])
	o, err := strconv.Atoi(off)
	n, err2 := strconv.Atoi(size)
	if err != nil || err2 != nil {
		f.here(e)
		return
	}
	e.add("Here %s wants %s at %s, where only %d are left: %s too many.", cmp.Or(f.call, "the helper"), plural(n, "byte"), f.name(f.register()), max(0, -o), plural(max(0, n+o), "byte"))
}

func uninitStack(f *facts, e *Explanation) {
	if len(f.m) > 3 && f.m[3] != "" {
		if start, err := strconv.Atoi(f.m[1]); err == nil {
			e.add("Here byte %s of %s that begin %d below the frame pointer was never written: a member, or padding between members.", f.m[2], plural(f.m[3], "byte"), -start)
			e.Try = "Clear the whole variable, padding too, before its members are set: `struct event e; __builtin_memset(&e, 0, sizeof(e));`. `= {}` need not clear padding. Newer kernels accept this for privileged users, and the value is then whatever was there."
		}
	}
	if f.call != "" && f.register() != "" {
		e.add("It is passed as %s.", f.name(f.register()))
	}
}

func stackBounds(f *facts, e *Explanation) {
	o, err := strconv.Atoi(cmp.Or(f.m[1], f.m[3]))
	n, err2 := strconv.Atoi(cmp.Or(f.m[2], f.m[4]))
	switch {
	case err != nil || err2 != nil:
	case o < -512:
		e.add("Here it is of %s at %d bytes below the frame pointer: %s too far.", plural(n, "byte"), -o, plural(-o-512, "byte"))
	case o+n > 0:
		e.add("Here it is of %s at offset %d from the frame pointer, of which %s are above it: an index or size that is too large by that.", plural(n, "byte"), o, plural(o+n, "byte"))
	}
}

func stackTooDeep(f *facts, e *Explanation) {
	switch {
	case f.m[1] != "":
		e.add("Here %s functions in a row need %s bytes, %d too many.", f.m[1], f.m[2], f.number(2)-512)
	case f.m[3] != "":
		e.add("Here one function needs %s bytes, %d too many.", f.m[4], f.number(4)-512)
	case f.m[5] != "":
		e.add("Here the functions before the tail call need %s bytes; 256 are allowed.", regexp.MustCompile(`\d+`).FindString(f.said[strings.Index(f.said, "frames is"):]))
	}
}

func misaligned(f *facts, e *Explanation) {
	if len(f.m) < 5 || f.m[4] == "" {
		f.here(e)
		return
	}
	e.add("Here %s are accessed at offset %d.", plural(f.m[4], "byte"), f.number(2)+f.number(3))
}

func uninitRegister(f *facts, e *Explanation) {
	register := "R" + f.m[1]
	i := f.log.setter(register, f.at)
	switch {
	case f.at < 0:
		e.add("A function that ends without `return` reads like this too, and so does a pointer kept in a register that a helper call has spoilt.")
	case register == "R0" && f.insn.text == "exit":
		e.add("Here the program or function ends on a path that sets no result, R0: it lacks a `return`, or what stood there was undefined and the compiler left it out.")
		e.Try = "End every path with `return` and a value."
	case i >= 0 && strings.HasPrefix(f.log[i].text, "call "):
		e.add("Here it is %s, which %s has spoilt: a call leaves R1 to R5 without a value.", register, f.log[i].line())
		e.Try = "Keep what is needed after the call in a variable that the compiler saves, or in R6 to R9 in assembly."
	case i >= 0:
		e.add("Here it is %s, last set in %s.", register, f.log[i].line())
	default:
		e.add("Here it is %s, which nothing on this path sets.", register)
		if f.call != "" {
			e.add("It is %s.", strings.TrimPrefix(f.name(register), register+" "))
		}
	}
}

func scalarDeref(f *facts, e *Explanation) {
	register := f.m[1]
	i := f.log.origin(register, f.at)
	if i < 0 {
		e.add("It is an address read from kernel memory, a cast, or a pointer that a helper call or a release has made void.")
		f.here(e)
		return
	}
	s := f.log[i]
	load := loads.FindStringSubmatch(s.text)
	e.add("Here %s is %s.", register, f.from(register))
	if was, call := f.voided(register, i); call >= 0 {
		e.add("It was %s until %s, after which the verifier lets nobody use it.", stateWords(was), f.log[call].line())
		if strings.HasPrefix(was, "pkt") {
			e.Try = "The helper may move the packet: after it, load `data` and `data_end` from the context again, and compare again."
		} else {
			e.Try = "Do not use it after that call: use it before, or copy what is needed."
		}
		return
	}
	switch {
	case load != nil && load[2] == "64":
		base := f.log.value("R"+load[3], i)
		switch m := kernelType.FindStringSubmatch(base); {
		case m != nil && m[2] != "":
			e.add("The verifier follows pointers from struct to struct as the kernel's types say, but here the member at offset %s of struct %s is no pointer to a struct: a pointer to a pointer, `void *`, or a number.", strings.TrimPrefix(load[4], "+"), m[2])
		case strings.HasPrefix(base, "ctx"):
			e.add("The hook's arguments are plain numbers in such a context, whatever the program casts them to.")
		case isNumber.MatchString(base):
			e.add("It was itself read through a number.")
		default:
			e.add("What is read from there is a number to the verifier, even if it was a pointer when it was stored.")
		}
		e.Try = "Read through it with `bpf_probe_read_kernel(&v, sizeof(v), p)`, BPF_CORE_READ or BPF_PROBE_READ_USER for a user's address, step by step for each pointer on the way."
	case load != nil && strings.HasPrefix(f.log.value("R"+load[3], i), "ctx"):
		e.add("Programs of this type have no pointer in that field of the context.")
	case load != nil:
		e.add("A pointer has 64 bits; %s were loaded.", bytesOf(load[2]))
		e.Try = "Cast through `long`: `(void *)(long)ctx->data`, and keep it in a pointer or in 64 bits."
	case strings.HasPrefix(s.text, "call "):
		e.add("This helper returns a number, or an address that only bpf_probe_read_kernel may read.")
	case s.number >= 0 && assigns.MatchString(s.text) && arithmetic.MatchString(assigns.FindStringSubmatch(s.text)[2]):
		e.add("Arithmetic made it a number.")
	}
}

// voided returns what a register's value was when it came from a step, if that was a pointer, and the call after which
// it no longer is one, or -1.
func (f *facts) voided(register string, from int) (was string, call int) {
	set := "R0" // by a call
	if m := assigns.FindStringSubmatch(f.log[from].text); m != nil {
		set = "R" + m[1]
	}
	was = f.log[from].after[set]
	if was == "" || isNumber.MatchString(was) {
		return "", -1
	}
	voids := releasing
	if strings.HasPrefix(was, "pkt") {
		voids = movingPacket
	}
	call = -1
	f.log.back(f.at, register, func(i int) bool {
		if i != from && voids.MatchString(f.log[i].text) {
			call = i // the first one counts
		}
		return i == from
	})
	return was, call
}

// Calls after which pointers into the packet, and pointers that were given back, are void.
var (
	movingPacket = regexp.MustCompile(`^call (?:pc|bpf_(?:xdp_adjust_|skb_(?:vlan_|change_|pull_data|adjust_room|store_bytes)|l[34]_csum_replace|clone_redirect|msg_|lwt_))`)
	releasing    = regexp.MustCompile(`^call bpf_\w*(?:submit|discard|release|drop|put|unlock|xchg)`)
)

var arithmetic = regexp.MustCompile(`^[-+*/&|^<>%s]+=$`)

func kernelWrite(f *facts, e *Explanation) {
	m := writes.FindStringSubmatch(f.insn.text)
	if m == nil {
		f.here(e)
		return
	}
	e.add("Here R%s is %s, and %s at offset %s are written.", m[3], stateWords(f.state("R"+m[3])), bytesOf(m[2]), strings.TrimPrefix(m[4], "+"))
}
